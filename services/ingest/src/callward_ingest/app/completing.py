"""Sealing a whole upload, in steps that may be cut short anywhere and done again: by the sender or the sweeper."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from callward_common.clock import Clock
from callward_common.errors import CallwardError, JsonValue
from callward_common.ids import new_id
from callward_ingest.app.answers import base64url, sealing_json
from callward_ingest.app.background import Background
from callward_ingest.app.marks_sealing import LastLook, SealedMarks
from callward_ingest.app.objects import Objects
from callward_ingest.app.opening import Opening, new_object_key
from callward_ingest.app.sessions import Sessions
from callward_ingest.app.stored_media import StoredUpload
from callward_ingest.app.upload import OpenUpload
from callward_ingest.domain.decisions import Decision
from callward_ingest.domain.errors import UploadEnded
from callward_ingest.domain.events import RecordingQuarantined, RecordingSealed
from callward_ingest.domain.idempotency import StoredAnswer
from callward_ingest.domain.keys import Receipt, ReceiptStatement
from callward_ingest.domain.policy import DIGEST_NOT_VERIFIED, measured, quarantine_reasons, state_for
from callward_ingest.domain.recordings import (
    ORIGINAL,
    PEAKS,
    PEAKS_TYPE,
    Manifest,
    Part,
    RecordingState,
    Rendition,
    Sealing,
)
from callward_ingest.domain.uploads import Prepared, Upload, UploadState
from callward_ingest.ports import Consent, Keys, ManifestEncoder, Signer, Units

_log = logging.getLogger(__name__)


class Completing:
    """Seals whole uploads. What is settled once is settled: the same manifest, however often it is tried."""

    def __init__(
        self,
        *,
        units: Units,
        opening: Opening,
        sessions: Sessions,
        objects: Objects,
        consent: Consent,
        keys: Keys,
        signer: Signer,
        marks: SealedMarks,
        encode_manifest: ManifestEncoder,
        background: Background,
        clock: Clock,
    ) -> None:
        self._units, self._opening, self._sessions, self._objects = units, opening, sessions, objects
        self._consent, self._keys, self._signer = consent, keys, signer
        self._marks, self._encode_manifest, self._background = marks, encode_manifest, background
        self._clock = clock

    async def finish(self, upload: Upload, opened: OpenUpload | None = None) -> dict[str, JsonValue]:
        """Seals an upload that is `completing` and returns its answer; one that is complete gives the stored one.

        Raises what a neighbour raises: the upload stays whole and may be finished later.
        """
        if upload.answer is not None:
            return upload.answer
        prepared = upload.prepared or await self._prepare(opened or await self._opening.reopen(upload))
        decision = await self._consent.may_record(upload.tenant, upload.call_id)
        look = await self._marks.look(upload, prepared)
        reasons = quarantine_reasons(decision, tuple(dict.fromkeys((*prepared.reasons, *look.reasons))))
        sealed_at = await self._keys.seal(upload.subject, prepared.manifest_sha256)
        statement = ReceiptStatement(
            recording_id=upload.upload_id,
            call_id=upload.call_id,
            state=state_for(reasons).value,
            reasons=reasons,
            manifest_sha256=prepared.manifest_sha256,
            key_id=prepared.key_id,
            decision=decision,
            plan=upload.plan,
            event_id=new_id(),
            sender_commitment=upload.commitment or b"",
            sealed_at=sealed_at,
        )
        receipt = await self._signer.sign_receipt(upload.tenant, statement)
        sealing = _sealing(statement, receipt, prepared)
        try:
            return await self._put_on_record(replace(upload, prepared=prepared), sealing, decision, look)
        except CallwardError:
            # Whether the commit went through is not known when the connection breaks: what is on record counts.
            async with self._units.begin(upload.tenant) as unit:
                found = await unit.uploads.find(upload.upload_id)
            if found is None or found.answer is None:
                raise
            return found.answer

    async def _prepare(self, opened: OpenUpload) -> Prepared:
        upload = opened.upload
        async with self._units.begin(upload.tenant) as unit:
            originals = await unit.parts.all(upload.upload_id, ORIGINAL)
        session = await self._sessions.take(opened)
        try:
            stored = StoredUpload(opened, originals, self._objects, asyncio.get_running_loop())
            report, masking = await session.finish(stored)
        finally:
            await session.close()
        reasons = [code.value for code in (*report.facts.quarantine_codes, *masking.reasons)]
        if session.unverifiable:
            reasons.append(DIGEST_NOT_VERIFIED)
        media = measured(report.facts, report.levels)
        original = Rendition(ORIGINAL, media.media_type, tuple(originals), masking.ranges)
        renditions = [original]
        if report.peaks:
            renditions.append(Rendition(PEAKS, PEAKS_TYPE, (await self._write_peaks(opened, report.peaks),)))
        manifest = self._manifest(opened, renditions)
        sidecar_key = f"{new_object_key()}.manifest"
        sidecar = await self._objects.write_sidecar(upload, sidecar_key, manifest)
        prepared = Prepared(
            manifest=manifest,
            manifest_sha256=hashlib.sha256(manifest).digest(),
            sidecar_key=sidecar.key,
            sidecar_version=sidecar.version_id,
            key_id=opened.data_key.key_id,
            media=replace(media, findings=(*media.findings, *(code.value for code in masking.findings))),
            reasons=tuple(reasons),
            masked=masking.ranges,
        )
        settled = await self._settle(upload, prepared, renditions)
        if settled.sidecar_key != prepared.sidecar_key:
            # Whoever settled it may have tidied up before these were durable.
            for key in (sidecar.key, *(part.object_key for each in renditions[1:] for part in each.parts)):
                await self._objects.remove(upload, key)
        return settled

    def _manifest(self, opened: OpenUpload, renditions: list[Rendition]) -> bytes:
        return self._encode_manifest(
            Manifest(
                tenant_id=opened.upload.tenant,
                recording_id=opened.upload.upload_id,
                key_id=opened.data_key.key_id,
                key_commitment=opened.data_key.commitment,
                renditions=tuple(renditions),
            )
        )

    async def _write_peaks(self, opened: OpenUpload, peaks: bytes) -> Part:
        async def once() -> AsyncGenerator[bytes, None]:
            yield peaks

        return await self._objects.write_part(
            opened.upload, PEAKS, 0, opened.data_key.peaks, new_object_key(), once()
        )

    async def _settle(self, upload: Upload, prepared: Prepared, renditions: list[Rendition]) -> Prepared:
        """Puts what was prepared on record, or returns what another try settled before."""
        async with self._units.begin(upload.tenant) as unit:
            found = await unit.uploads.find(upload.upload_id, lock=True)
            # Complete already: somebody else sealed it meanwhile, and what was settled is what was sealed.
            if found is not None and found.whole and found.prepared is not None:
                return found.prepared
            if found is None or found.state is not UploadState.completing:
                raise UploadEnded("The upload has ended.")
            await unit.uploads.prepare(upload.upload_id, prepared)
            for rendition in renditions[1:]:
                for number, part in enumerate(rendition.parts):
                    await unit.parts.add(upload.upload_id, rendition.name, number, part)
            await unit.parts.unstage(prepared.sidecar_key)
        return prepared

    async def _put_on_record(
        self, upload: Upload, sealing: Sealing, decision: Decision, look: LastLook
    ) -> dict[str, JsonValue]:
        body = sealing_json(sealing, decision, upload.plan)
        if upload.commitment is not None:
            body["senderCommitment"] = base64url(upload.commitment)
        async with self._units.begin(upload.tenant) as unit:
            if not await unit.uploads.finish(upload.upload_id, body):
                found = await unit.uploads.find(upload.upload_id)
                if found is None or found.answer is None:
                    raise UploadEnded("The upload has ended.")
                return found.answer
            await self._marks.hold(unit, upload.call_id, look)
            await unit.attempts.seal(sealing)
            if upload.idempotency_key is not None and upload.fingerprint is not None:
                answer = StoredAnswer(upload.fingerprint, upload.fingerprint_day, body)
                await unit.idempotency.complete(upload.idempotency_key, upload.upload_id, answer)
            unit.record(_event(upload, sealing), event_id=sealing.event_id)
            await unit.uploads.due(upload.upload_id, self._clock.now())
        await self._sessions.drop(upload.upload_id)
        self._background.start(self._tidy(replace(upload, answer=body)))
        return body

    async def _tidy(self, upload: Upload) -> None:
        """Locks what is sealed and removes what broken appends left behind. Failing at it is the sweeper's to mend."""
        try:
            await self.clean(upload)
        except Exception:
            _log.exception(
                "a sealed recording is not yet tidied up", extra={"recording_id": upload.upload_id}
            )

    async def clean(self, upload: Upload) -> None:
        """Locks the objects of a sealed recording, removes those that are part of nothing, and settles the upload.

        Locked at sealing and not before (sealing.md section 4): what is abandoned, or kept apart, stays deletable.
        """
        if upload.answer is not None and upload.answer["state"] == RecordingState.sealed.value:
            await self._lock(upload)
        async with self._units.begin(upload.tenant) as unit:
            leftovers = await unit.parts.leftovers(upload.upload_id)
        removed = sum([await self._objects.remove(upload, key) for key in leftovers])
        if leftovers:
            _log.info(
                "objects left behind by broken appends were removed",
                extra={"recording_id": upload.upload_id, "count": removed},
            )
        async with self._units.begin(upload.tenant) as unit:
            await unit.uploads.settled(upload.upload_id)

    async def _lock(self, upload: Upload) -> None:
        until = upload.plan.retain_until
        async with self._units.begin(upload.tenant) as unit:
            parts = [
                part for name in (ORIGINAL, PEAKS) for part in await unit.parts.all(upload.upload_id, name)
            ]
        for part in parts:
            await self._objects.retain(part.object_key, part.version_id, until)
        if upload.prepared is not None:
            await self._objects.retain(upload.prepared.sidecar_key, upload.prepared.sidecar_version, until)


def _sealing(statement: ReceiptStatement, receipt: Receipt, prepared: Prepared) -> Sealing:
    return Sealing(
        recording_id=statement.recording_id,
        call_id=statement.call_id,
        state=state_for(statement.reasons),
        reasons=statement.reasons,
        key_id=statement.key_id,
        manifest=prepared.manifest,
        manifest_sha256=statement.manifest_sha256,
        sidecar_key=prepared.sidecar_key,
        sidecar_version=prepared.sidecar_version,
        receipt=receipt,
        event_id=statement.event_id,
        sealed_at=statement.sealed_at,
        decision_id=statement.decision.decision_id,
        retention_class=statement.plan.retention_class,
        retain_until=statement.plan.retain_until,
        delete_after=statement.plan.delete_after,
        retention_citation=statement.plan.citation,
        media=prepared.media,
        masked=prepared.masked,
    )


def _event(upload: Upload, sealing: Sealing) -> RecordingSealed | RecordingQuarantined:
    if sealing.state is RecordingState.quarantined:
        return RecordingQuarantined(
            actor=upload.actor,
            recording_id=sealing.recording_id,
            call_id=sealing.call_id,
            key_id=sealing.key_id,
            manifest_sha256=sealing.manifest_sha256,
            receipt_sha256=sealing.receipt.sha256,
            reasons=sealing.reasons,
            media=sealing.media,
            masked=sealing.masked,
        )
    return RecordingSealed(
        actor=upload.actor,
        recording_id=sealing.recording_id,
        call_id=sealing.call_id,
        key_id=sealing.key_id,
        manifest_sha256=sealing.manifest_sha256,
        receipt_sha256=sealing.receipt.sha256,
        decision_id=sealing.decision_id,
        retain_until=sealing.retain_until,
        media=sealing.media,
        masked=sealing.masked,
    )
