"""What came whole is sealed, whatever is away at that moment, and once."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from callward_common.errors import CallwardError, DeadlineExceeded, Unavailable
from callward_ingest.app.appends import SEAL_AGAIN_AFTER
from callward_ingest.domain.errors import (
    UploadNotSealed,
)
from callward_ingest.domain.recordings import RecordingState
from tests.unit.ingest.scene import Scene, chunked, needed, wav

AWAY = [Unavailable("away"), DeadlineExceeded("slow")]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: error.type)
@pytest.mark.parametrize("part", ["seal", "sign", "consent"])
async def test_what_came_whole_is_kept_and_the_same_request_finishes_it(
    part: str, error: CallwardError
) -> None:
    scene = Scene()
    call_id = await scene.open_call()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunked(wav()):
            yield chunk
        fail(scene, part, error)

    with pytest.raises(UploadNotSealed) as refused:
        await scene.uploads.receive(scene.upload(call_id), body())
    assert (refused.value.http_status, refused.value.retry_after is not None) == (503, True)
    with pytest.raises(UploadNotSealed):
        await scene.send(call_id)
    fail(scene, part, None)
    answer = await scene.send(call_id)
    assert (answer.body["state"], answer.replayed) == ("sealed", True)
    assert len(scene.rows.recordings) == 1
    assert set(scene.objects.stored) == needed(scene)


@pytest.mark.parametrize("part", ["seal", "sign", "consent"])
async def test_what_came_whole_is_sealed_by_the_sweeper_when_nobody_asks_again(part: str) -> None:
    scene = Scene()
    call_id = await scene.open_call()

    async def body() -> AsyncIterator[bytes]:
        async for chunk in chunked(wav()):
            yield chunk
        fail(scene, part, Unavailable("away"))

    with pytest.raises(UploadNotSealed):
        await scene.uploads.receive(scene.upload(call_id), body())
    scene.clock.advance(SEAL_AGAIN_AFTER)
    assert await scene.sweeper.sweep() == {"failed": 1}
    fail(scene, part, None)
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.sweeper.sweep() == {"sealed": 1}
    (recording,) = scene.rows.recordings.values()
    assert recording.state is RecordingState.sealed
    assert (await scene.send(call_id)).replayed


def fail(scene: Scene, part: str, error: CallwardError | None) -> None:
    """Makes one neighbour fail, or none."""
    scene.keys.failing = {"seal": error} if part == "seal" and error is not None else {}
    scene.signer.failing = error if part == "sign" else None
    scene.consent.failing = error if part == "consent" else None


async def test_a_commit_that_failed_is_made_again() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.units.before_commit = Unavailable("connection lost")
    with pytest.raises(UploadNotSealed):
        await scene.send(call_id)
    assert not scene.rows.manifests
    assert (await scene.send(call_id)).replayed
    assert set(scene.objects.stored) == needed(scene)


async def test_a_commit_that_went_through_unheard_is_answered_and_loses_nothing() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    scene.units.after_commit = Unavailable("connection lost")
    answer = await scene.send(call_id)
    assert (answer.body["state"], set(scene.objects.stored)) == ("sealed", needed(scene))
    assert (await scene.send(call_id)).body == answer.body


async def test_when_the_database_is_gone_what_came_whole_is_sealed_later() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    seal = scene.keys.seal

    async def seal_and_lose_the_database(*arguments: object) -> object:
        scene.units.unreachable = True
        return await seal(*arguments)  # type: ignore[arg-type]

    scene.keys.seal = seal_and_lose_the_database  # type: ignore[method-assign, assignment]
    with pytest.raises(UploadNotSealed):
        await scene.send(call_id)
    scene.units.unreachable = False
    scene.keys.seal = seal  # type: ignore[method-assign]
    answer = await scene.send(call_id)
    assert (answer.replayed, set(scene.objects.stored)) == (True, needed(scene))


async def test_what_is_sealed_is_locked_until_its_time_and_what_is_kept_apart_is_not() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    await scene.send(call_id)
    await scene.background.drain()
    until = scene.planner.asked[1] + timedelta(days=3650)
    assert scene.objects.retained == dict.fromkeys(needed(scene), until)
    before = dict(scene.objects.retained)
    assert (await scene.send(call_id, b"no sound", key="apart")).body["state"] == "quarantined"
    await scene.background.drain()
    assert scene.objects.retained == before
