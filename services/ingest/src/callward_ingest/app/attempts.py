"""One attempt to receive a recording, in its order: permit, plan, key, bytes, permit again, seal, receipt."""

import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from callward_common.clock import Clock
from callward_common.ids import new_id
from callward_common.objects.store import ObjectStore, StoredObject
from callward_crypto.keys import associated_data
from callward_crypto.streaming import StreamEncryptor
from callward_ingest.app.intake import Intake
from callward_ingest.app.upload import Opened, Progress, Streamed
from callward_ingest.domain.calls import Call
from callward_ingest.domain.decisions import Decision
from callward_ingest.domain.errors import ConsentRequired
from callward_ingest.domain.events import RecordingRefused
from callward_ingest.domain.fingerprints import FingerprintKey, commit_to_digest
from callward_ingest.domain.keys import Receipt, ReceiptStatement, Subject, SubjectKind
from callward_ingest.domain.policy import measured, quarantine_reasons, state_for
from callward_ingest.domain.recordings import ORIGINAL, Attempt, Manifest, Measured, Part, Sealing
from callward_ingest.domain.wav import WavReader
from callward_ingest.ports import Consent, Keys, ManifestEncoder, Planner, Signer, Units


class Attempts:
    """The steps of an attempt. Whoever calls them undoes what they did when a later step fails."""

    def __init__(
        self,
        *,
        units: Units,
        consent: Consent,
        planner: Planner,
        keys: Keys,
        signer: Signer,
        objects: ObjectStore,
        encode_manifest: ManifestEncoder,
        clock: Clock,
    ) -> None:
        self._units = units
        self._consent = consent
        self._planner = planner
        self._keys = keys
        self._signer = signer
        self._objects = objects
        self._encode_manifest = encode_manifest
        self._clock = clock

    async def open(self, progress: Progress, call: Call, fingerprint_key: FingerprintKey) -> Opened:
        """Demands a lawful basis, plans retention, puts the attempt on record and gets its key."""
        upload = progress.upload
        decision = await self._consent.may_record(upload.tenant, call.call_id)
        if not decision.permitted:
            await self._refuse(progress, decision)
        clock_start = call.clock_start(self._clock.now())
        plan = await self._planner.plan(upload.tenant, call.call_id, clock_start, call.age_group)
        # Random, so that a key in the store says nothing about tenant, person or time; new with every attempt,
        # so that an abandoned attempt's object can never stand in for the real one.
        name = secrets.token_hex(16)
        attempt = Attempt(
            recording_id=progress.recording_id,
            call_id=call.call_id,
            queue=call.queue,
            object_key=f"{name[:2]}/{name}",
            started_at=self._clock.now(),
        )
        progress.attempt = attempt
        async with self._units.begin(upload.tenant) as unit:
            await unit.attempts.start(attempt)
        subject = Subject(upload.tenant, SubjectKind.recording, attempt.recording_id, secrets.token_bytes(32))
        progress.subject = subject
        data_key = await self._keys.issue(subject, plan)
        return Opened(upload, call, attempt, plan, subject, data_key, fingerprint_key)

    async def stream(
        self, opened: Opened, intake: Intake, still_ours: Callable[[], Awaitable[None]]
    ) -> Streamed:
        """Takes the body in: measures it, encrypts it and stores nothing but ciphertext. Durable on return.

        One chunk is in memory at a time: the store pulls, so a slow store slows the sender down. `still_ours` is
        awaited after every chunk and raises when another attempt has taken the key over.
        """
        bound = associated_data(opened.upload.tenant, opened.attempt.recording_id, ORIGINAL, 0)
        encryptor = StreamEncryptor(opened.data_key.subkey, bound)
        reader, digest = WavReader(), hashlib.sha256()

        async def ciphertext() -> AsyncGenerator[bytes, None]:
            async with aclosing(intake.chunks()) as chunks:
                async for chunk in chunks:
                    reader.feed(chunk)
                    piece = encryptor.update(chunk)
                    if piece:
                        digest.update(piece)
                        yield piece
                    await still_ours()
            last = encryptor.finish()
            digest.update(last)
            yield last

        async with aclosing(ciphertext()) as body:
            stored = await self._objects.put(opened.attempt.object_key, body)
        part = Part(
            object_key=stored.key,
            version_id=stored.version_id,
            plaintext_size=intake.size,
            ciphertext_size=stored.size,
            header=encryptor.header,
            ciphertext_sha256=digest.digest(),
        )
        return Streamed(part, reader.finish(), intake.fingerprint)

    async def seal(self, opened: Opened, streamed: Streamed) -> tuple[Sealing, Decision, bytes]:
        """Judges anew, registers the manifest, closes the key and gets the receipt signed.

        Returns what has to be put on record, the decision it rests on, and the commitment to the sender's digest
        (empty where none was stated).
        """
        tenant, attempt = opened.upload.tenant, opened.attempt
        decision = await self._consent.may_record(tenant, attempt.call_id)
        reasons = quarantine_reasons(decision, streamed.facts)
        manifest = self._encode_manifest(_manifest(opened, streamed))
        manifest_sha256 = hashlib.sha256(manifest).digest()
        sidecar = await self._objects.put(f"{attempt.object_key}.manifest", _once(manifest))
        statement = ReceiptStatement(
            recording_id=attempt.recording_id,
            call_id=attempt.call_id,
            state=state_for(reasons).value,
            reasons=reasons,
            manifest_sha256=manifest_sha256,
            key_id=opened.data_key.key_id,
            decision=decision,
            plan=opened.plan,
            event_id=new_id(),
            sender_commitment=_sender_commitment(opened),
            sealed_at=await self._keys.seal(opened.subject, manifest_sha256),
        )
        receipt = await self._signer.sign_receipt(tenant, statement)
        sealing = _sealing(statement, receipt, manifest, sidecar, measured(streamed.facts))
        return sealing, decision, statement.sender_commitment

    async def _refuse(self, progress: Progress, decision: Decision) -> None:
        upload = progress.upload
        async with self._units.begin(upload.tenant) as unit:
            unit.record(
                RecordingRefused(upload.actor, upload.call_id, decision.decision_id, decision.reasons)
            )
        raise ConsentRequired(
            "The call may not be recorded on the evidence and policy on record.", extra=decision.as_json()
        )


def _manifest(opened: Opened, streamed: Streamed) -> Manifest:
    return Manifest(
        tenant_id=opened.upload.tenant,
        recording_id=opened.attempt.recording_id,
        key_id=opened.data_key.key_id,
        key_commitment=opened.data_key.commitment,
        media_type=streamed.facts.media_type,
        part=streamed.part,
    )


def _sealing(
    statement: ReceiptStatement, receipt: Receipt, manifest: bytes, sidecar: StoredObject, media: Measured
) -> Sealing:
    return Sealing(
        recording_id=statement.recording_id,
        call_id=statement.call_id,
        state=state_for(statement.reasons),
        reasons=statement.reasons,
        key_id=statement.key_id,
        manifest=manifest,
        manifest_sha256=statement.manifest_sha256,
        sidecar_key=sidecar.key,
        sidecar_version=sidecar.version_id,
        receipt=receipt,
        event_id=statement.event_id,
        sealed_at=statement.sealed_at,
        decision_id=statement.decision.decision_id,
        retention_class=statement.plan.retention_class,
        retain_until=statement.plan.retain_until,
        delete_after=statement.plan.delete_after,
        retention_citation=statement.plan.citation,
        media=media,
    )


def _sender_commitment(opened: Opened) -> bytes:
    digest = opened.upload.stated.representation
    if digest is None:
        return b""
    return commit_to_digest(opened.fingerprint_key.receipt_nonce(opened.attempt.recording_id), digest)


async def _once(value: bytes) -> AsyncIterator[bytes]:
    yield value
