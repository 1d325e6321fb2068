"""Uploads under attack: by other tenants, by races, by neighbours and databases that fail at the worst moment."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from callward_common.errors import Unavailable
from callward_ingest.app.resumable import Bytes, Outcome
from callward_ingest.app.upload import NewUpload
from callward_ingest.domain.errors import (
    BodyIncomplete,
    InconsistentUploadLength,
    UploadFailed,
    UploadInterrupted,
    UploadNotFound,
)
from callward_ingest.domain.uploads import UploadState
from tests.unit.ingest.scene import TENANT, Scene, chunked, needed, wav

BYTES = wav()


async def _unsaid(_: object) -> None:
    """Nobody listens."""


def _sent(body: AsyncIterator[bytes], *, complete: bool = False, complete_at: int | None = None) -> Bytes:
    return Bytes(body, complete, _unsaid, complete_at, complete_at=complete_at)


def _wanted(scene: Scene, call_id: str, key: str | None = None, length: int | None = None) -> NewUpload:
    return replace(scene.upload(call_id), key=key, length=length, resumable=True)


async def _create(scene: Scene, call_id: str, key: str | None = None, length: int | None = None) -> Outcome:
    sent = replace(_sent(chunked(b"")), length=length)
    return await scene.resumable.create(_wanted(scene, call_id, key, length), sent, _unsaid)


class Line:
    """A body that comes as it is told to."""

    def __init__(self) -> None:
        self.begun, self._queue = asyncio.Event(), asyncio.Queue[bytes | Exception | None]()

    def send(self, *pieces: bytes | Exception | None) -> None:
        for piece in pieces:
            self._queue.put_nowait(piece)

    async def body(self) -> AsyncIterator[bytes]:
        self.begun.set()
        while (piece := await self._queue.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece


async def test_another_tenant_neither_sees_nor_ends_an_append_that_runs() -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call())).upload
    line = Line()
    append = asyncio.create_task(
        scene.resumable.append(TENANT, upload.upload_id, 0, _sent(line.body(), complete=True))
    )
    await line.begun.wait()
    attacks: list[Callable[[], Awaitable[object]]] = [
        lambda: scene.resumable.look("stranger", upload.upload_id),
        lambda: scene.resumable.cancel("stranger", upload.upload_id),
        lambda: scene.resumable.append("stranger", upload.upload_id, 0, _sent(chunked(b"x"))),
    ]
    for attack in attacks:
        with pytest.raises(UploadNotFound):
            async with asyncio.timeout(5):
                await attack()
    line.send(BYTES, None)
    assert (await append).answer is not None


async def test_a_plain_upload_is_not_ended_by_looking_for_it_as_one_that_resumes() -> None:
    scene = Scene()
    call_id, line = await scene.open_call(), Line()
    task = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), line.body()))
    await line.begun.wait()
    (upload_id,) = scene.rows.uploads
    with pytest.raises(UploadNotFound):
        await scene.resumable.look(TENANT, upload_id)
    line.send(BYTES, None)
    assert (await task).body["state"] == "sealed"


async def test_a_commit_whose_answer_got_lost_makes_no_second_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    call_id = await scene.open_call()
    keep = scene.sessions.keep
    lost = False

    async def keep_once(*given: object) -> None:
        # Right after the commit that made the upload whole: as if its answer had not come back.
        nonlocal lost
        if not lost:
            lost = True
            raise Unavailable("The database does not answer.")
        await keep(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scene.sessions, "keep", keep_once)
    with pytest.raises(UploadFailed):
        await scene.send(call_id)
    again = await scene.send(call_id)
    scene.clock.advance(timedelta(hours=1))
    await scene.sweeper.sweep()
    assert len(scene.rows.manifests) == 1
    assert again.body["recordingId"] in scene.rows.manifests


async def test_a_key_of_an_upload_that_could_not_be_opened_is_free_for_the_same_request() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    issue, scene.keys.issue = scene.keys.issue, _away  # type: ignore[method-assign, assignment]
    with pytest.raises(UploadFailed):
        await _create(scene, call_id, "once")
    scene.keys.issue = issue  # type: ignore[method-assign]
    again = await _create(scene, call_id, "once")
    assert again.upload.state is UploadState.receiving
    assert (await _create(scene, call_id, "once")).upload.upload_id == again.upload.upload_id


async def _away(*_: object) -> None:
    raise Unavailable("key-management does not answer.")


@pytest.mark.parametrize("failure", [BodyIncomplete("It broke off."), UploadInterrupted("Overtaken.")])
async def test_an_upload_that_ends_at_its_length_is_whole_though_the_body_broke_off_there(
    failure: Exception,
) -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call(), length=len(BYTES))).upload
    sent = _sent(chunked(BYTES, failure=failure), complete_at=len(BYTES))
    outcome = await scene.resumable.append(TENANT, upload.upload_id, 0, sent)
    assert outcome.answer is not None


async def test_an_object_that_became_durable_after_its_upload_had_gone_does_not_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call())).upload
    put = scene.objects.put

    async def elsewhere(key: str, body: AsyncGenerator[bytes, None]) -> object:
        # Another process ends the upload, and cleans it away, while the object is on its way.
        await scene.core.endings.end(upload, UploadState.cancelled, "cancelled-by-sender")
        return await put(key, body)

    monkeypatch.setattr(scene.objects, "put", elsewhere)
    with pytest.raises(UploadInterrupted):
        await scene.resumable.append(TENANT, upload.upload_id, 0, _sent(chunked(BYTES)))
    assert not scene.objects.stored
    assert not scene.rows.staged


async def test_a_request_that_waits_for_its_turn_is_ended_by_a_newer_one_too() -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call())).upload
    waiting = Line()
    async with scene.running.alone(upload.upload_id):
        second = asyncio.create_task(
            scene.resumable.append(TENANT, upload.upload_id, 0, _sent(waiting.body()))
        )
        for _ in range(10):
            await asyncio.sleep(0)
        look = asyncio.create_task(scene.resumable.look(TENANT, upload.upload_id))
        for _ in range(10):
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert (await look).received == 0
    with pytest.raises(UploadInterrupted):
        await second


async def test_no_byte_is_taken_past_a_length_of_zero() -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call())).upload
    sent = replace(_sent(chunked(b"x")), length=0)
    with pytest.raises(InconsistentUploadLength):
        await scene.resumable.append(TENANT, upload.upload_id, 0, sent)
    assert scene.rows.uploads[upload.upload_id].received == 0


async def test_two_that_seal_at_once_come_to_one_recording_and_leave_nothing_behind() -> None:
    scene = Scene()
    upload = (await _create(scene, await scene.open_call())).upload
    scene.keys.seal, seal = _away, scene.keys.seal  # type: ignore[method-assign, assignment]
    with pytest.raises(Exception, match="sealed as soon as"):
        await scene.resumable.append(TENANT, upload.upload_id, 0, _sent(chunked(BYTES), complete=True))
    scene.keys.seal = seal  # type: ignore[method-assign]
    whole = replace(scene.rows.uploads[upload.upload_id], prepared=None)
    # As another process has it that began before the manifest was settled, and ends after it was sealed.
    opened = await scene.core.opening.reopen(whole)
    await scene.core.completing.finish(scene.rows.uploads[upload.upload_id])
    await scene.background.drain()
    answer = await scene.core.completing.finish(whole, opened)
    await scene.background.drain()
    assert answer == scene.rows.uploads[upload.upload_id].answer
    assert set(scene.objects.stored) == needed(scene)


async def test_the_sweeper_leaves_a_plain_upload_alone_that_is_late_in_this_process() -> None:
    scene = Scene()
    call_id, line = await scene.open_call(), Line()
    task = asyncio.create_task(scene.uploads.receive(scene.upload(call_id), line.body()))
    await line.begun.wait()
    scene.clock.advance(scene.limits.claim_hold + timedelta(seconds=1))
    assert await scene.sweeper.sweep() == {"under-way": 1}
    line.send(BYTES, None)
    assert (await task).body["state"] == "sealed"


async def test_a_sweep_ends_when_the_platform_stops() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    for _ in range(2):
        await _create(scene, call_id)
    scene.clock.advance(scene.limits.upload_lifetime + timedelta(seconds=1))
    stop = asyncio.Event()
    stop.set()
    assert not await scene.sweeper.sweep(stop)
    assert await scene.sweeper.sweep() == {}
