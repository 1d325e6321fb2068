"""Uploads that are repeated, cut off or left alone by a neighbour: nothing is lost and nothing remains."""

import asyncio
import copy
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from callward_common.errors import CallwardError, DeadlineExceeded, InternalError, Unavailable
from callward_common.objects.store import StoreUnavailable
from callward_ingest.app.limits import Limits
from callward_ingest.domain.errors import (
    CallNotFound,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    UploadFailed,
    UploadsBusy,
)
from callward_ingest.domain.events import (
    UploadAbandoned,
)
from callward_ingest.domain.recordings import RecordingState
from tests.unit.ingest.scene import TENANT, Scene, chunked, needed, wav


def nothing_remains(scene: Scene) -> None:
    """No object, no open key, no row that is shown, no key held."""
    assert not scene.objects.stored
    assert not scene.rows.keys
    recordings = [key for key in scene.keys.issued.values() if key.subject.kind == "recording"]
    assert all(key.state == "shred_pending" for key in recordings)
    assert all(item.state is RecordingState.abandoned for item in scene.rows.recordings.values())


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
    assert set(scene.objects.stored) == needed(scene)


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
    assert scene.rows.recordings[str(second.body["recordingId"])].state is RecordingState.sealed
    assert set(scene.objects.stored) == needed(scene)
    assert [e.reason for e in scene.events if isinstance(e, UploadAbandoned)] == ["idempotency-key-in-use"]


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
async def test_when_no_key_can_be_had_nothing_is_kept_and_the_retry_ends_well(error: CallwardError) -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.keys.failing["issue"] = error
    with pytest.raises(UploadFailed) as refused:
        await scene.send(call_id)
    assert (refused.value.http_status, refused.value.retry_after is not None) == (503, True)
    assert not scene.objects.stored
    assert not scene.rows.keys
    scene.keys.failing.clear()
    assert (await scene.send(call_id)).body["state"] == "sealed"


async def test_when_the_store_fails_nothing_is_kept() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.objects.failing = StoreUnavailable("full")
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    nothing_remains(scene)


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
    scene.clock.advance(timedelta(minutes=1))
    talking = scene.clock.now()
    await scene.send(call_id, key="a")
    scene.clock.advance(timedelta(minutes=1))
    ended = scene.clock.now()
    await scene.calls.end(scene.request("calls.end"), call_id, ended)
    await scene.send(call_id, key="b")
    assert scene.planner.asked == [started, talking, ended]


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


async def test_an_attempt_whose_process_is_gone_is_cleared_away_by_the_sweeper() -> None:
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
    (upload_id,) = rows.uploads
    scene.keys.issued[upload_id].state = "open"
    (object_key,) = rows.staged
    scene.objects.stored[object_key, "v1"] = b"ciphertext"
    assert await scene.sweeper.sweep() == {}
    scene.clock.advance(scene.limits.claim_hold)
    assert await scene.sweeper.sweep() == {"lost": 1}
    assert (scene.objects.stored, scene.keys.issued[upload_id].state) == ({}, "shred_pending")
    assert [item.state for item in scene.rows.recordings.values()] == [RecordingState.abandoned]
    assert [e.reason for e in scene.events if isinstance(e, UploadAbandoned)] == ["attempt-lost"]
    assert (await scene.send(call_id, key="crashed")).body["state"] == "sealed"
