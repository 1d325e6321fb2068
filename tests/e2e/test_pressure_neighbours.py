"""A neighbour that is away or says nothing: no new upload, no byte lost, and sealing is made up for by itself."""

import secrets
import time
from collections.abc import Iterator

import pytest

from tests.e2e.uploads.looking import NothingKept
from tests.support.audio import wav
from tests.support.background import BackgroundLoop
from tests.support.doors import Callward, Client, problem
from tests.support.gates import Gate, gated
from tests.support.journeys import answered, consented_call, upload
from tests.support.platform import QUICK, RunningPlatform, running
from tests.support.settled import Settled
from tests.support.telemetry import Telemetry
from tests.support.uploads import Answer, Sender, upload_id
from tests.support.waiting import eventually

#: Seconds within which a refusal has to come: a call of a neighbour has a deadline of five.
BOUND = 25.0
ASKED = ("consent", "retention", "key-management")
SETTINGS = {**QUICK, "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2"}


@pytest.fixture(scope="module")
def gates() -> Iterator[dict[str, Gate]]:
    with gated(*ASKED, "audit") as made:
        yield made


@pytest.fixture(scope="module")
def platform(
    gates: dict[str, Gate], background: BackgroundLoop, telemetry: Telemetry
) -> Iterator[RunningPlatform]:
    """A platform whose services reach those four through gates."""
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


def _refused(answer: Answer, *kinds: str) -> None:
    status, kind = answer.problem()
    assert status == 503, answer
    assert kind in kinds, answer
    assert int(answer["Retry-After"]) >= 1


@pytest.mark.parametrize("neighbour", ASKED)
def test_nothing_is_taken_while_a_neighbour_refuses(
    platform: RunningPlatform,
    callward: Callward,
    settled: Settled,
    machine: Client,
    gates: dict[str, Gate],
    neighbour: str,
) -> None:
    audio, call_id, key = wav(2), consented_call(machine), secrets.token_hex(8)
    sender, nothing = Sender(machine, call_id), NothingKept(platform)
    with gates[neighbour].shut():
        _refused(sender.create(("Idempotency-Key", f"r-{key}"), body=audio), "upload-failed")
        plain = upload(machine, call_id, audio, key=key)
        assert (plain.status_code, problem(plain)) == (503, "upload-failed")
        assert int(plain.headers["Retry-After"]) >= 1
        assert nothing.left() == []

    def taken() -> str | None:
        answer = upload(machine, call_id, audio, key=key)
        assert answer.status_code in (201, 503), answer.text
        return str(answer.json()["recordingId"]) if answer.status_code == 201 else None

    recording_id = eventually(taken, "the receipt")
    path = sender.created(("Idempotency-Key", f"r-{key}"), body=audio[:1000])
    assert sender.append(path, 1000, audio[1000:], complete=True).status == 201
    settled.demand(callward, {recording_id: audio, upload_id(path): audio})


def _created(sender: Sender, body: bytes) -> str | None:
    answer = sender.create(body=body)
    assert answer.status in (201, 503), answer
    return answer["Location"] if answer.status == 201 else None


@pytest.mark.timeout(240)
def test_what_is_whole_is_sealed_without_its_sender_once_the_neighbours_are_back(
    callward: Callward, settled: Settled, machine: Client, gates: dict[str, Gate]
) -> None:
    audio, call_id = wav(2), consented_call(machine)
    sender, paths = Sender(machine, call_id), []
    for neighbour in ("consent", "key-management"):
        path = eventually(lambda: _created(sender, audio[:50_000]), "a new upload")
        # The key is at hand once the bytes are asked for; the neighbour goes away while they come.
        with sender.appending(path, 50_000, True, ("Expect", "100-continue"), announced=78_044) as wire:
            wire.go_ahead()
            with gates[neighbour].shut():
                wire.send(audio[50_000:])
                _refused(wire.answer(), "upload-not-sealed")
                assert sender.state(path) == "completing"
                assert sender.head(path).complete
        paths.append(path)
    eventually(lambda: all(sender.state(path) == "complete" for path in paths), "the seals", within=120)
    settled.demand(callward, {upload_id(path): audio for path in paths})


def test_the_sender_of_what_was_not_sealed_asks_again_and_gets_the_receipt(
    callward: Callward, settled: Settled, machine: Client, gates: dict[str, Gate]
) -> None:
    audio, call_id, key = wav(2), consented_call(machine), secrets.token_hex(8)
    sender = Sender(machine, call_id)
    headers = [("Content-Type", "audio/wav"), ("Idempotency-Key", key), ("Expect", "100-continue")]
    path = f"/v1/recordings?call={call_id}"
    with sender.open("POST", path, *headers, announced=len(audio)) as wire:
        wire.go_ahead()
        with gates["key-management"].shut():
            wire.send(audio)
            _refused(wire.answer(), "upload-not-sealed")

    def again() -> str | None:
        answer = upload(machine, call_id, audio, key=key)
        assert answer.status_code in (201, 503), answer.text
        return str(answer.json()["recordingId"]) if answer.status_code == 201 else None

    settled.demand(callward, {eventually(again, "the receipt"): audio})


def test_a_neighbour_that_says_nothing_holds_nobody_up_for_long(
    callward: Callward, settled: Settled, machine: Client, gates: dict[str, Gate]
) -> None:
    audio, sender = wav(1), Sender(machine, consented_call(machine))
    path = sender.created(body=audio[:1000])
    with gates["key-management"].silent():
        began = time.monotonic()
        _refused(sender.append(path, 1000, audio[1000:], complete=True), "upload-interrupted")
        assert time.monotonic() - began < BOUND
    assert sender.head(path).offset == 1000

    def whole() -> bool:
        answer = sender.append(path, 1000, audio[1000:], complete=True)
        assert answer.status in (201, 503), answer
        return answer.status == 201

    eventually(whole, "the receipt")
    settled.demand(callward, {upload_id(path): audio})


def test_without_audit_uploads_go_on_and_their_events_wait(
    callward: Callward, settled: Settled, machine: Client, gates: dict[str, Gate]
) -> None:
    audio, call_id = wav(2), consented_call(machine)
    with gates["audit"].shut():
        taken = answered(upload(machine, call_id, audio), 201)
        path = Sender(machine, call_id).create(body=audio, complete=True).json(201)["recordingId"]
    settled.demand(callward, {taken["recordingId"]: audio, path: audio})
