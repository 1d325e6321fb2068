"""Uploads: whole and on record with a receipt, or nothing of them remains."""

import asyncio
import base64
import copy
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from callward.ingest.v1 import manifest_pb2
from callward_common.crypto.keys import associated_data, open_small
from callward_common.errors import CallwardError, DeadlineExceeded, InternalError, Unavailable
from callward_common.objects.store import StoreUnavailable
from callward_ingest.app.answers import base64url
from callward_ingest.app.intake import StatedDigests
from callward_ingest.app.limits import Limits
from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.errors import (
    BodyIncomplete,
    BodyTooLarge,
    CallNotFound,
    ConsentRequired,
    DigestMismatch,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    UploadFailed,
    UploadsBusy,
)
from callward_ingest.domain.events import (
    RecordingQuarantined,
    RecordingRefused,
    RecordingSealed,
    UploadAbandoned,
)
from callward_ingest.domain.recordings import RecordingState
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
    sidecar = [
        value for (key, _), value in scene.objects.stored.items() if key == f"{part.object_key}.manifest"
    ]
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


async def test_the_same_key_again_gives_the_stored_answer_and_another_body_is_refused() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    first = await scene.send(call_id)
    again = await scene.send(call_id)
    assert (again.replayed, again.body) == (True, first.body)
    with pytest.raises(IdempotencyKeyReused):
        await scene.send(call_id, wav() + b"x")
    with pytest.raises(IdempotencyKeyReused):
        await scene.send(await scene.open_call())
    assert len(scene.rows.recordings) == 1
    assert len(scene.objects.stored) == 2


async def test_one_key_is_used_by_one_upload_at_a_time() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.set()
        await go_on.wait()
        async for chunk in chunked(wav()):
            yield chunk

    first = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), slow()))
    await begun.wait()
    with pytest.raises(IdempotencyKeyInUse):
        await scene.send(call_id)
    go_on.set()
    assert not (await first).replayed
    assert (await scene.send(call_id)).replayed


async def test_an_attempt_whose_hold_ran_out_is_taken_over_and_cannot_end() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield wav()[:1000]
        begun.set()
        await go_on.wait()
        yield wav()[1000:]

    first = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), stalled()))
    await begun.wait()
    scene.clock.advance(scene.limits.claim_hold)
    second = await scene.send(call_id)
    go_on.set()
    with pytest.raises(IdempotencyKeyInUse):
        await first
    states = sorted(item.state for item in scene.rows.recordings.values())
    assert states == [RecordingState.abandoned, RecordingState.sealed]
    kept = scene.rows.recordings[str(second.body["recordingId"])].object_key
    assert {key for key, _ in scene.objects.stored} == {kept, f"{kept}.manifest"}
    assert [e.reason for e in scene.events if isinstance(e, UploadAbandoned)] == ["attempt-lost"]


async def test_a_long_upload_keeps_its_key() -> None:
    scene = Scene()
    call_id = await scene.open_call()

    async def long() -> AsyncIterator[bytes]:
        async for chunk in chunked(wav()):
            scene.clock.advance(timedelta(seconds=90))
            yield chunk

    assert (await scene.uploads.receive(scene.upload(call_id), long())).body["state"] == "sealed"
    assert (
        scene.clock.now()
        > next(iter(scene.rows.recordings.values())).call_started_at + scene.limits.claim_hold
    )


AWAY = [Unavailable("away"), DeadlineExceeded("slow")]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.type)
@pytest.mark.parametrize("method", ["issue", "seal"])
async def test_when_keys_are_away_nothing_is_kept_and_the_retry_ends_well(
    method: str, error: CallwardError
) -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.keys.failing[method] = error
    with pytest.raises(UploadFailed) as refused:
        await scene.send(call_id)
    assert (refused.value.http_status, refused.value.retry_after is not None) == (503, True)
    assert not scene.objects.stored
    assert not scene.rows.keys
    scene.keys.failing.clear()
    assert (await scene.send(call_id)).body["state"] == "sealed"


async def test_when_the_signer_is_away_nothing_is_kept_and_the_retry_ends_well() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.signer.failing = Unavailable("away")
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    assert not scene.objects.stored
    scene.signer.failing = None
    answer = await scene.send(call_id)
    assert (answer.body["state"], answer.replayed) == ("sealed", False)


async def test_when_consent_is_away_at_the_end_nothing_is_kept() -> None:
    scene = Scene()
    call_id = await scene.open_call()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunked(wav()):
            yield chunk
        scene.consent.failing = Unavailable("away")

    with pytest.raises(UploadFailed):
        await scene.uploads.receive(scene.upload(call_id), body())
    nothing_remains(scene)


async def test_when_the_store_fails_nothing_is_kept() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.objects.failing = StoreUnavailable("full")
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    nothing_remains(scene)


async def test_a_commit_that_failed_is_undone() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.units.before_commit = Unavailable("connection lost")
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    assert not scene.objects.stored
    assert not scene.rows.manifests


async def test_a_commit_that_went_through_unheard_is_answered_and_loses_nothing() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.units.after_commit = Unavailable("connection lost")
    answer = await scene.send(call_id)
    assert (answer.body["state"], len(scene.objects.stored)) == ("sealed", 2)
    assert (await scene.send(call_id)).body == answer.body


async def test_when_the_database_is_gone_objects_stay_until_the_hold_runs_out() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    seal = scene.keys.seal

    async def seal_and_lose_the_database(*arguments: object) -> object:
        scene.units.unreachable = True
        return await seal(*arguments)  # type: ignore[arg-type]

    scene.keys.seal = seal_and_lose_the_database  # type: ignore[method-assign, assignment]
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    assert len(scene.objects.stored) == 2
    scene.units.unreachable = False
    scene.keys.seal = seal  # type: ignore[method-assign]
    with pytest.raises(IdempotencyKeyInUse):
        await scene.send(call_id)
    scene.clock.advance(scene.limits.claim_hold)
    answer = await scene.send(call_id)
    kept = scene.rows.recordings[str(answer.body["recordingId"])].object_key
    assert {key for key, _ in scene.objects.stored} == {kept, f"{kept}.manifest"}


async def test_a_sender_that_goes_away_after_its_last_byte_finds_its_receipt() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    sealing, go_on = asyncio.Event(), asyncio.Event()
    sign = scene.signer.sign_receipt

    async def slow_sign(*arguments: object) -> object:
        sealing.set()
        await go_on.wait()
        return await sign(*arguments)  # type: ignore[arg-type]

    scene.signer.sign_receipt = slow_sign  # type: ignore[method-assign, assignment]
    request = asyncio.create_task(scene.send(call_id))
    await sealing.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    go_on.set()
    await scene.background.drain()
    assert (await scene.send(call_id)).replayed


async def test_a_cancelled_body_leaves_nothing() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield wav()[:1000]
        begun.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), endless()))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await scene.background.drain()
    nothing_remains(scene)


async def test_a_fault_of_our_own_is_raised_as_it_is_and_leaves_nothing() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.keys.failing["issue"] = InternalError("bug")
    with pytest.raises(InternalError):
        await scene.send(call_id)
    assert not scene.objects.stored


async def test_uploads_past_the_most_at_once_are_turned_away() -> None:
    scene = Scene(limits=Limits(max_parallel_uploads=1))
    call_id = await scene.open_call()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.set()
        await go_on.wait()
        yield wav()

    first = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), slow()))
    await begun.wait()
    with pytest.raises(UploadsBusy) as refused:
        await scene.send(call_id, key="other")
    assert (refused.value.http_status, refused.value.retry_after is not None) == (503, True)
    go_on.set()
    await first
    assert (await scene.send(call_id, key="other")).body["state"] == "sealed"


async def test_another_tenants_call_is_not_found() -> None:
    scene = Scene()
    with pytest.raises(CallNotFound):
        await scene.send("0193f0a0-0000-7000-8000-000000000000")
    assert not scene.rows.keys


async def test_retention_counts_from_the_end_of_the_call_where_it_is_known() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    started = scene.rows.calls[call_id].started_at
    await scene.send(call_id, key="a")
    ended = scene.clock.now()
    await scene.calls.end(scene.request("calls.end"), call_id, ended)
    await scene.send(call_id, key="b")
    assert scene.planner.asked == [started, started, ended]


async def test_memory_is_bounded_whatever_the_size() -> None:
    scene = Scene(limits=Limits(max_body_bytes=10**9))
    call_id = await scene.open_call()
    ahead = 0

    async def watched() -> AsyncIterator[bytes]:
        nonlocal ahead
        for _ in range(200):
            ahead += 65536
            yield bytes(65536)

    async def put(key: str, body: AsyncIterator[bytes]) -> object:
        nonlocal ahead
        async for piece in body:
            ahead -= len(piece)
            assert ahead <= 2 * 65536
        scene.objects.failing = StoreUnavailable("enough")
        raise scene.objects.failing

    scene.objects.put = put  # type: ignore[method-assign, assignment]
    with pytest.raises(UploadFailed):
        await scene.uploads.receive(scene.upload(call_id), watched())


async def test_an_attempt_whose_process_is_gone_is_cleared_away_by_the_tenants_next_upload() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield wav()[:1000]
        begun.set()
        await asyncio.Event().wait()

    crashed = asyncio.create_task(scene.uploads.receive(scene.upload(call_id, "crashed"), endless()))
    await begun.wait()
    rows = copy.deepcopy(scene.rows)
    crashed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await crashed
    scene.units.tenants[TENANT] = rows  # as a process leaves them that dies here
    object_key = next(iter(rows.recordings.values())).object_key
    scene.objects.stored[object_key, "v1"] = b"ciphertext"
    assert (await scene.send(call_id, key="soon")).body["state"] == "sealed"
    assert (object_key, "v1") in scene.objects.stored
    scene.clock.advance(scene.limits.claim_hold)
    assert (await scene.send(call_id, key="later")).body["state"] == "sealed"
    assert (object_key, "v1") not in scene.objects.stored
    states = [item.state for item in scene.rows.recordings.values()]
    assert states.count(RecordingState.abandoned) == 1
    assert [e.reason for e in scene.events if isinstance(e, UploadAbandoned)] == ["attempt-lost"]
