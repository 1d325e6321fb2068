"""A database that is away: 503 with Retry-After in bounded time, nothing acknowledged is lost, nobody has to restart."""

import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.audio import wav
from tests.support.background import BackgroundLoop
from tests.support.database_away import end_sessions, refused, silent
from tests.support.doors import Callward, Client, problem
from tests.support.journeys import answered, consented_call, upload
from tests.support.platform import QUICK, RunningPlatform, running
from tests.support.settled import Settled
from tests.support.telemetry import Telemetry
from tests.support.uploads import EXPECT, INTEROP, Answer, Sender, upload_id
from tests.support.waiting import eventually

PART = 64 * 1024
#: Seconds within which a refusal has to come: connecting is given five, and nothing waits for it many times.
BOUND = 20.0
SETTINGS = {
    **QUICK,
    "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2",
    "CALLWARD_INGEST_PART_BYTES": str(PART),
    "CALLWARD_INGEST_LIVE_PART_BYTES": "16384",
}


@pytest.fixture(scope="module")
def platform(background: BackgroundLoop, telemetry: Telemetry) -> Iterator[RunningPlatform]:
    """A platform that is never started again."""
    with running(background, SETTINGS) as started:
        yield started


@pytest.fixture(scope="module")
def callward(platform: RunningPlatform) -> Callward:
    return platform.callward()


@pytest.fixture(scope="module")
def settled(platform: RunningPlatform, callward: Callward) -> Settled:
    after = Settled(platform)
    after.first(callward)
    return after


@pytest.fixture
def machine(callward: Callward, settled: Settled) -> Client:
    return callward.call_platform()


def _retried(answer: Answer) -> Answer:
    assert answer.status == 503, answer
    assert int(answer["Retry-After"]) >= 1
    return answer


def _within(bound: float, act: Callable[[], Answer]) -> Answer:
    began = time.monotonic()
    answer = act()
    assert time.monotonic() - began < bound
    return answer


def test_without_a_database_everything_is_refused_and_comes_back_by_itself(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, call_id, key = wav(3), consented_call(machine), secrets.token_hex(8)
    sender = Sender(machine, call_id)
    path = sender.created(body=audio[:100_000])
    with refused(platform, "ingest"):
        _retried(_within(BOUND, lambda: sender.create(body=audio, complete=True)))
        _retried(_within(BOUND, lambda: sender.append(path, 100_000, audio[100_000:], complete=True)))
        # An answer to HEAD has no body; to ask for the offset is refused as everything else is.
        _retried(_within(BOUND, lambda: sender.head(path)))
        plain = upload(machine, call_id, audio, key=key)
        assert plain.status_code == 503, plain.text
        assert problem(plain) in {"database-unavailable", "upload-failed"}
        assert int(plain.headers["Retry-After"]) >= 1

    def comes_back() -> bool:
        return sender.head(path).status == 204

    eventually(comes_back, "the door without a restart", within=30)
    assert sender.head(path).offset == 100_000
    assert sender.append(path, 100_000, audio[100_000:], complete=True).status == 201
    taken = answered(upload(machine, call_id, audio, key=key), 201)
    settled.demand(callward, {upload_id(path): audio, taken["recordingId"]: audio})


def test_sessions_that_end_in_the_middle_of_an_append_lose_nothing_acknowledged(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, sender = wav(10), Sender(machine, consented_call(machine))
    path = sender.created()
    with sender.appending(path, 0, True, INTEROP, announced=len(audio)) as wire:
        wire.send(audio[:200_000])
        acknowledged = [0]
        while acknowledged[-1] < 2 * PART:
            acknowledged.append(wire.one().offset)
        with refused(platform, "ingest"):
            wire.send(audio[200_000:])
            answer = _retried(wire.answer())
    assert answer.problem()[1] in {"upload-interrupted", "database-unavailable"}
    acknowledged += [each.offset for each in answer.interim]
    offset = eventually(lambda: _offset(sender, path), "the offset")
    assert offset >= acknowledged[-1]
    assert sender.append(path, offset, audio[offset:], complete=True).status == 201
    settled.demand(callward, {upload_id(path): audio})


def _offset(sender: Sender, path: str) -> int | None:
    found = sender.head(path)
    assert found.status in (204, 503), found
    return found.offset if found.status == 204 else None


def test_sessions_that_end_in_the_middle_of_a_plain_upload_leave_nothing_of_it(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, call_id, key = wav(10), consented_call(machine), secrets.token_hex(8)
    sender = Sender(machine, call_id)
    whole = [("Content-Type", "audio/wav"), ("Idempotency-Key", key), EXPECT]
    with sender.open("POST", f"/v1/recordings?call={call_id}", *whole, announced=len(audio)) as wire:
        wire.go_ahead()
        wire.send(audio[:200_000])
        with refused(platform, "ingest"):
            wire.send(audio[200_000:])
            _retried(_within(60.0, wire.answer))

    def again() -> str | None:
        answer = upload(machine, call_id, audio, key=key)
        assert answer.status_code in (201, 409, 503), answer.text
        return str(answer.json()["recordingId"]) if answer.status_code == 201 else None

    # A hold that could not be let go of is the dead attempt's until the sweeper has ended it.
    recording_id = eventually(again, "the receipt", within=60)
    settled.demand(callward, {recording_id: audio})
    states = platform.sql(
        "ingest", "SELECT state FROM recordings WHERE call_id = $1::uuid", call_id, role="admin"
    )
    assert sorted(row["state"] for row in states) == ["abandoned", "sealed"], "one recording, once"


def test_a_restart_of_the_database_between_two_requests_is_not_noticed(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, sender = wav(2), Sender(machine, consented_call(machine))
    path = sender.created(body=audio[:70_000])
    assert end_sessions(platform, "ingest") > 0
    assert sender.append(path, 70_000, audio[70_000:], complete=True).status == 201
    settled.demand(callward, {upload_id(path): audio})


@pytest.mark.timeout(240)
def test_a_database_that_says_nothing_is_given_up(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, sender = wav(3), Sender(machine, consented_call(machine))
    path = sender.created(body=audio[:100_000])
    with silent(platform, "ingest"):
        _retried(_within(BOUND, lambda: sender.append(path, 100_000, audio[100_000:], complete=True)))
    offset = eventually(lambda: _offset(sender, path), "the offset", within=60)
    if offset < len(audio):
        assert sender.append(path, offset, audio[offset:], complete=True).status == 201
    settled.demand(callward, {upload_id(path): audio})


def test_key_management_without_its_database_holds_nobody_up_for_long(
    platform: RunningPlatform, callward: Callward, settled: Settled, machine: Client
) -> None:
    audio, sender = wav(2), Sender(machine, consented_call(machine))
    path = sender.created(body=audio)
    with refused(platform, "key-management"):
        answer = _retried(_within(BOUND, lambda: sender.append(path, len(audio), complete=True)))
        assert answer.problem()[1] in {"upload-not-sealed", "upload-interrupted"}
        _retried(_within(BOUND, lambda: sender.create(body=audio)))

    def sealed() -> bool:
        return sender.append(path, len(audio), complete=True).status in (201, 400)

    eventually(sealed, "the receipt, or that it was sealed meanwhile", within=60)
    settled.demand(callward, {upload_id(path): audio})
