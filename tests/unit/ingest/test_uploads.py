"""Uploads: whole and on record with a receipt, or nothing of them remains."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from callward.ingest.v1 import manifest_pb2
from callward_crypto.keys import associated_data, open_small
from callward_ingest.app.answers import base64url
from callward_ingest.app.limits import Limits
from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.errors import (
    BodyIncomplete,
    BodyTooLarge,
    ConsentRequired,
    DigestMismatch,
)
from callward_ingest.domain.events import (
    RecordingQuarantined,
    RecordingRefused,
    RecordingSealed,
    UploadAbandoned,
)
from callward_ingest.domain.recordings import RecordingState
from callward_ingest.domain.uploads import StatedDigests
from tests.unit.ingest.scene import ACTOR, TENANT, Scene, chunked, wav


def manifest_of(scene: Scene, recording_id: str) -> manifest_pb2.Manifest:
    return manifest_pb2.Manifest.FromString(scene.rows.manifests[recording_id])


def nothing_remains(scene: Scene) -> None:
    """No object, no open key, no row that is shown, no key held."""
    assert not scene.objects.stored
    assert not scene.rows.keys
    recordings = [key for key in scene.keys.issued.values() if key.subject.kind == "recording"]
    assert all(key.state == "shred_pending" for key in recordings)
    assert all(item.state is RecordingState.abandoned for item in scene.rows.recordings.values())


async def test_what_is_stored_decrypts_to_the_body_and_the_manifest_says_so() -> None:
    scene = Scene()
    content = wav(seconds=12)
    answer = await scene.send(await scene.open_call(), content)
    recording_id = str(answer.body["recordingId"])
    manifest = manifest_of(scene, recording_id)
    part = manifest.renditions[0].parts[0]
    sealed = scene.objects.stored[part.object_key, part.version_id]
    bound = associated_data(TENANT, recording_id, "original", 0)
    assert open_small(scene.keys.subkey(recording_id), bound, sealed) == content
    assert (part.plaintext_size, part.ciphertext_size) == (len(content), len(sealed))
    assert (part.header, part.ciphertext_sha256) == (sealed[:40], hashlib.sha256(sealed).digest())
    assert (manifest.format, manifest.tenant_id, manifest.recording_id) == (
        "callward/1",
        TENANT,
        recording_id,
    )
    assert (manifest.renditions[0].name, manifest.renditions[0].media_type) == ("original", "audio/wav")
    registered = hashlib.sha256(scene.rows.manifests[recording_id]).digest()
    assert scene.keys.issued[recording_id].manifest_sha256 == registered
    assert answer.body["manifestSha256"] == base64url(registered)
    sidecar = [value for (key, _), value in scene.objects.stored.items() if key.endswith(".manifest")]
    assert sidecar == [scene.rows.manifests[recording_id]]


async def test_the_receipt_names_the_event_that_is_on_record() -> None:
    scene = Scene()
    answer = await scene.send(await scene.open_call())
    event, event_id = scene.rows.events[-1]
    assert isinstance(event, RecordingSealed)
    assert event_id == scene.signer.statements[0].event_id == answer.body["eventId"]
    assert event.receipt_sha256 == hashlib.sha256(str(answer.body["receipt"]).encode()).digest()
    assert event.actor == ACTOR
    assert event.media.duration == timedelta(seconds=0.5)


async def test_an_object_key_says_nothing_and_is_new_with_every_attempt() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    for number in range(3):
        await scene.send(call_id, key=f"k{number}")
    keys = {item.object_key for item in scene.rows.recordings.values()}
    assert len(keys) == 3
    for key in keys:
        prefix, _, name = key.partition("/")
        assert name.startswith(prefix)
        assert len(name) == 32
        assert TENANT not in key


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.permit])
async def test_without_a_lawful_basis_not_one_byte_is_asked_for(outcome: Outcome) -> None:
    scene = Scene(outcome)
    call_id = await scene.open_call()
    asked = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield b"x"

    with pytest.raises(ConsentRequired) as refused:
        await scene.uploads.receive(scene.upload(call_id), body())
    assert not asked
    assert refused.value.extra["outcome"] == outcome.value
    assert refused.value.extra["decidingRule"]["statute"] == "Cal. Penal Code § 632"  # type: ignore[index, call-overload]
    assert isinstance(scene.events[-1], RecordingRefused)
    assert not scene.rows.recordings
    nothing_remains(scene)
    scene.consent.outcomes = [Outcome.permit]
    assert (await scene.send(call_id)).body["state"] == "sealed"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.revoked, "consent-revoked"), (Outcome.recording_off, "recording-off")],
)
async def test_a_basis_lost_while_the_body_came_in_quarantines(outcome: Outcome, reason: str) -> None:
    scene = Scene(Outcome.permit, Outcome.permit, outcome)
    answer = await scene.send(await scene.open_call())
    assert (answer.body["state"], answer.body["reasons"]) == ("quarantined", [reason])
    event = scene.events[-1]
    assert isinstance(event, RecordingQuarantined)
    assert event.reasons == (reason,)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"%PDF-1.7 not a sound", "not-audio"), (wav()[:-100], "length-mismatch")],
)
async def test_unfit_media_is_sealed_and_kept_apart(content: bytes, reason: str) -> None:
    scene = Scene()
    answer = await scene.send(await scene.open_call(), content)
    recording_id = str(answer.body["recordingId"])
    assert answer.body["state"] == "quarantined"
    assert reason in answer.body["reasons"]  # type: ignore[operator]
    part = manifest_of(scene, recording_id).renditions[0].parts[0]
    sealed = scene.objects.stored[part.object_key, part.version_id]
    bound = associated_data(TENANT, recording_id, "original", 0)
    assert open_small(scene.keys.subkey(recording_id), bound, sealed) == content
    assert scene.keys.issued[recording_id].state == "sealed"


async def test_the_limit_holds_to_the_byte() -> None:
    content = wav()
    fits = Scene(limits=Limits(max_body_bytes=len(content)))
    assert (await fits.send(await fits.open_call(), content)).body["state"] == "sealed"
    tight = Scene(limits=Limits(max_body_bytes=len(content) - 1))
    with pytest.raises(BodyTooLarge) as refused:
        await tight.send(await tight.open_call(), content)
    assert refused.value.http_status == 413
    nothing_remains(tight)


async def test_a_body_that_stops_halfway_leaves_nothing() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    body = chunked(wav()[:2000], failure=BodyIncomplete("stopped"))
    with pytest.raises(BodyIncomplete):
        await scene.uploads.receive(scene.upload(call_id), body)
    nothing_remains(scene)
    event = scene.events[-1]
    assert isinstance(event, UploadAbandoned)
    assert event.reason == "body-incomplete"


@pytest.mark.parametrize("name", ["content", "representation"])
async def test_a_wrong_digest_leaves_nothing(name: str) -> None:
    scene = Scene()
    call_id = await scene.open_call()
    with pytest.raises(DigestMismatch):
        await scene.send(call_id, stated=StatedDigests(**{name: hashlib.sha256(b"another").digest()}))
    nothing_remains(scene)


async def test_a_repr_digest_is_committed_to_and_neither_it_nor_the_nonce_is_stored() -> None:
    scene = Scene()
    content = wav()
    digest = hashlib.sha256(content).digest()
    call_id = await scene.open_call()
    answer = await scene.send(call_id, content, stated=StatedDigests(digest, digest))
    nonce = base64.urlsafe_b64decode(str(answer.body["receiptCommitmentNonce"]) + "=")
    commitment = scene.signer.statements[0].sender_commitment
    assert commitment == hashlib.sha256(nonce + digest).digest()
    kept = repr(scene.rows)
    for secret in (nonce, digest):
        assert repr(secret) not in kept
        assert base64url(secret) not in kept
    again = await scene.send(call_id, content)
    assert again.replayed
    assert again.body == answer.body


async def test_without_a_repr_digest_nothing_is_committed_to() -> None:
    scene = Scene()
    content = wav()
    answer = await scene.send(
        await scene.open_call(), content, stated=StatedDigests(hashlib.sha256(content).digest())
    )
    assert scene.signer.statements[0].sender_commitment == b""
    assert "receiptCommitmentNonce" not in answer.body
