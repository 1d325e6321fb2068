"""SIGTERM while everything is under way: what was acknowledged stays, who is cut short is told so and goes on later.

One `callward dev` is ended in the middle of a plain upload that goes on, one that stands still, a live call, a
playback and the delivery of a webhook, and started again on the same folder.
"""

import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.audio import wav
from tests.support.bulk import RawAnswer, RawRequest
from tests.support.dev_folder import dev_folder
from tests.support.doors import Callward, Client
from tests.support.journeys import Recorded, answered, consented_call, media, record, upload
from tests.support.process import DevProcess, dev
from tests.support.receiver import Receiver, receiver
from tests.support.waiting import eventually

INTEROP = {"Upload-Draft-Interop-Version": "8"}
#: Seconds for uploads that cannot be resumed: more than the default, for a busy machine; less than the grace of ten.
PATIENCE = 8
ENVIRONMENT = {"CALLWARD_INGEST_STOP_PATIENCE": str(PATIENCE)}
#: The most seconds from the signal to the end: patience for uploads, grace for requests, and room.
ENDS_WITHIN = PATIENCE + 45.0


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with dev_folder() as folder:
        yield folder


@dataclass
class Plain:
    """A plain upload: its body, its key, and the request."""

    audio: bytes
    key: str
    request: RawRequest


def plain(stack: ExitStack, platform: Client, call_id: str, seed: int) -> Plain:
    """Begins a plain upload and sends half of it."""
    audio, key = wav(3, seed=seed), secrets.token_hex(8)
    headers = {"Content-Type": "audio/wav", "Idempotency-Key": key}
    path = f"/v1/recordings?call={call_id}"
    request = stack.enter_context(RawRequest(platform, "POST", path, headers, announced=len(audio)))
    request.send(audio[: len(audio) // 2])
    return Plain(audio, key, request)


@dataclass
class Live:
    """A live call: its audio, how much was sent, and the request."""

    audio: bytes
    sent: int
    request: RawRequest

    def pieces(self) -> Iterator[bytes]:
        """Gives what is to be sent next, a fifth of a second at a time and faster at first."""
        while True:
            size = 300_000 if not self.sent else 12_800
            piece, self.sent = self.audio[self.sent : self.sent + size], self.sent + size
            yield piece

    @property
    def acknowledged(self) -> int:
        """The highest offset that an interim answer gave."""
        return max(int(each.headers.get("upload-offset", "0")) for each in self.request.interim)

    @property
    def location(self) -> str:
        """Where the upload goes on, as the first interim answer says."""
        return next(each.headers["location"] for each in self.request.interim if "location" in each.headers)


def live(stack: ExitStack, platform: Client, call_id: str) -> Live:
    """Begins a live call, waits until part of it is acknowledged, and sends more."""
    audio = wav(20, seed=3)
    headers = {**INTEROP, "Content-Type": "audio/wav", "Upload-Complete": "?1"}
    path = f"/v1/uploads?call={call_id}"
    request = stack.enter_context(RawRequest(platform, "POST", path, headers, announced=None))
    call = Live(audio, 0, request)
    request.send_until(lambda answer: int(answer.headers.get("upload-offset", "0")) > 0, call.pieces(), 0.2)
    request.send(next(call.pieces()))
    return call


@dataclass
class Listening:
    """A playback that the pace holds up: what was heard so far, and the answer that still runs."""

    recorded: Recorded
    path: str
    heard: bytearray
    request: RawRequest


def listening(stack: ExitStack, callward: Callward, recorded: Recorded) -> Listening:
    """Begins to play a minute of audio: thirty seconds come at once, the rest at twice their pace."""
    person = callward.person()
    path = media(person, recorded.recording_id)
    request = stack.enter_context(RawRequest(person, "GET", path, {}, announced=0))
    heard = request.some_of_the_body(1_000_000)
    return Listening(recorded, path, heard, request)


def registered(platform: Client, url: str) -> None:
    """Registers a receiver of sealed recordings."""
    body = {"url": url, "events": ["recording.sealed"]}
    answered(platform.post("/v1/webhooks", json=body, headers={"Idempotency-Key": "receiver"}), 201)


def told_to_come_back(answer: RawAnswer) -> None:
    """Checks that a request was cut short with 503, and with the time to wait."""
    assert answer.status == 503, answer
    assert int(answer.headers["retry-after"]) >= 1


def plays(callward: Callward, recording_id: str, audio: bytes) -> None:
    person = callward.person()
    heard = person.get(media(person, recording_id))
    assert (heard.status_code, heard.content) == (200, audio)


@dataclass
class UnderWay:
    """All that is under way when the signal comes."""

    live: Live
    finishing: Plain
    stalled: Plain
    listening: Listening


def begin(stack: ExitStack, callward: Callward, hooks: Receiver, data_dir: Path) -> UnderWay:
    """Begins everything, and returns when all of it is under way."""
    platform, unfinished = callward.call_platform(), data_dir / "objects" / "unfinished"
    registered(platform, hooks.url)
    recorded = record(callward, audio=wav(60))
    eventually(lambda: hooks.came, "the webhook")
    call_id = consented_call(platform)
    call = live(stack, platform, call_id)
    both = plain(stack, platform, call_id, 4), plain(stack, platform, call_id, 5)
    eventually(
        lambda: len(list(unfinished.iterdir())) == 3, "the live call's next part and two plain uploads"
    )
    return UnderWay(call, *both, listening(stack, callward, recorded))


def end(process: DevProcess, going: UnderWay) -> str:
    """Sends the signal and sees how each ends; returns the id of the recording that was finished in time."""
    begun = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    cut_short = going.live.request.answer()
    told_to_come_back(cut_short)
    assert b"upload-interrupted" in cut_short.body
    half = len(going.finishing.audio) // 2
    going.finishing.request.send(going.finishing.audio[half:])
    finished = going.finishing.request.answer()
    assert finished.status == 201, finished
    told_to_come_back(going.stalled.request.answer())
    assert process.process.wait(timeout=ENDS_WITHIN) == 0
    assert time.monotonic() - begun < ENDS_WITHIN
    assert "Traceback" not in process.output + process.errors
    return finished.headers["location"].rpartition("/")[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_was_acknowledged_stays_and_the_rest_goes_on(data_dir: Path) -> None:
    with receiver() as hooks, ExitStack() as stack:
        with dev(data_dir, ENVIRONMENT) as first:
            going = begin(stack, first.wait_ready(), hooks, data_dir)
            finished = end(first, going)
        assert list((data_dir / "objects" / "unfinished").iterdir()) == []
        cut = hooks.came[0]
        hooks.free.set()
        with dev(data_dir) as second:
            callward = second.wait_ready()
            plays(callward, finished, going.finishing.audio)
            _goes_on(callward, going.live)
            _comes_back(callward, going.stalled)
            _listens_on(callward, going.listening)
            listed = callward.person().get("/v1/recordings").json()["recordings"]
            assert len(listed) == 4, "what was played, what was finished, the call, and what was sent again"
            eventually(lambda: cut in hooks.answered, "the webhook that was cut short, under the same id")
            eventually(lambda: len(set(hooks.answered)) == 4, "the webhooks of the others")
            assert second.end(signal.SIGTERM) == 0


def _goes_on(callward: Callward, call: Live) -> None:
    platform = callward.call_platform()
    looked = platform.head(call.location, headers=INTEROP)
    offset = int(looked.headers["Upload-Offset"])
    assert call.acknowledged <= offset <= call.sent
    headers = {
        "Content-Type": "application/partial-upload",
        "Upload-Offset": str(offset),
        "Upload-Complete": "?1",
    }
    whole = platform.request("PATCH", call.location, content=call.audio[offset:], headers=headers)
    plays(callward, answered(whole, 201)["recordingId"], call.audio)


def _comes_back(callward: Callward, stalled: Plain) -> None:
    platform = callward.call_platform()
    call_id = stalled.request.path.rpartition("=")[2]
    again = answered(upload(platform, call_id, stalled.audio, key=stalled.key), 201)
    plays(callward, again["recordingId"], stalled.audio)


def _listens_on(callward: Callward, listened: Listening) -> None:
    heard = bytes(listened.heard)
    assert listened.recorded.audio.startswith(heard)
    rest = {"Range": f"bytes={len(heard)}-"}
    answer = callward.person().get(listened.path, headers=rest)
    assert answer.status_code == 206
    assert heard + answer.content == listened.recorded.audio
