"""Standard input over broken connections: kept until it is acknowledged, and never more than its bound."""

import asyncio
import random
import threading
from pathlib import Path

import pytest

from callward_cli.upload import live
from callward_cli.upload.headers import Limits
from callward_cli.upload.live import LiveSource
from tests.integration.cli.conftest import Upload
from tests.integration.cli.fake_door import FakeDoor, Fault
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

CALL = "01934e2c-7c00-7000-8000-0000000000c1"
MIB = 1024 * 1024


@pytest.fixture
def audio() -> bytes:
    return random.Random(2).randbytes(3 * MIB + 3)


@pytest.fixture
def standard_input(tmp_path: Path, audio: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stdin"
    path.write_bytes(audio)
    monkeypatch.setattr("sys.stdin", path.open("rb"))


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("PATCH", after=1)],
        [Fault("PATCH", after=700_000), Fault("HEAD"), Fault("PATCH", after=10, keep=False)],
        [Fault("PATCH", whole=True), Fault("PATCH", status=503, headers={"Retry-After": "0"})],
        [Fault("POST", whole=True), Fault("PATCH", after=500_000)],
    ],
    ids=len,
)
@pytest.mark.usefixtures("standard_input")
def test_after_every_break_it_goes_on(
    upload: Upload, door: FakeDoor, audio: bytes, faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST", MIB)
    door.faults.extend(faults)
    ended = upload("-", "--call", CALL)
    assert ended.code == 0, ended
    assert bytes(door.the_upload().data) == audio
    assert not door.faults


@pytest.mark.usefixtures("standard_input")
def test_an_upload_that_was_ended_meanwhile_is_not_begun_anew(upload: Upload, door: FakeDoor) -> None:
    door.faults.append(Fault("PATCH", after=1000))
    original = door._create

    def create(request: object, query: object) -> object:
        answer = original(request, query)  # type: ignore[arg-type]
        door.the_upload().state = "cancelled"
        return answer

    door._create = create  # type: ignore[assignment, method-assign]
    ended = upload("-", "--call", CALL)
    assert ended.code == 1
    assert "upload-ended" in ended.out


class Feed:
    """Reads that a test gives out, one by one."""

    def __init__(self) -> None:
        self.given: list[bytes] = []
        self.more = threading.Semaphore(0)
        self.reads = 0
        self.further = threading.Event()

    def give(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.given.append(chunk)
            self.more.release()

    def read(self, descriptor: int, size: int) -> bytes:
        self.more.acquire()
        self.reads += 1
        if self.reads > live.WAITING + 1:
            self.further.set()
        return self.given.pop(0)


async def test_reading_ahead_is_bounded() -> None:
    feed = Feed()
    feed.give(*([b"x" * 10] * (live.WAITING + 50)))
    source = LiveSource(0, ManualClock(), read=feed.read)
    source.start()
    await asyncio.to_thread(eventually, lambda: feed.reads >= live.WAITING + 1, "a full queue")
    assert not await asyncio.to_thread(feed.further.wait, 0.2)
    assert feed.reads == live.WAITING + 1, "one read waits for its place"
    source.stop()


async def test_a_read_that_fails_ends_with_an_error_and_not_with_a_shorter_recording() -> None:
    def read(descriptor: int, size: int) -> bytes:
        raise OSError(5, "Input/output error")

    source = LiveSource(0, ManualClock(), read=read)
    source.start()
    with pytest.raises(Exception, match="standard input cannot be read"):
        await source.piece(0, Limits(), lambda _: None)


async def test_what_is_acknowledged_is_dropped_and_cannot_be_asked_for_again() -> None:
    feed = Feed()
    feed.give(b"abcdef", b"")
    source = LiveSource(0, ManualClock(), read=feed.read)
    source.start()
    piece = await source.piece(0, Limits(), lambda _: None)
    assert [chunk async for chunk in piece.content()] == [b"abcdef"]
    again = await source.piece(4, Limits(), lambda _: None)
    assert [chunk async for chunk in again.content()] == [b"ef"]
    with pytest.raises(Exception, match="not kept here any more"):
        source.acknowledged(3)
    with pytest.raises(Exception, match="not kept here any more"):
        source.acknowledged(7)
    last = await source.piece(6, Limits(), lambda _: None)
    assert (last.complete, last.size, last.length) == (True, 0, 6)
