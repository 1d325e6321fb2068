"""Limits that a test can reach: size, number, speed, silence and time (draft: "Limits", "Security Considerations")."""

import select
from collections.abc import Iterator

import pytest

from tests.e2e.uploads.looking import key_state, stored, wait_given_up
from tests.e2e.uploads.tus import VERSION, Tus
from tests.support.audio import wav
from tests.support.background import BackgroundLoop
from tests.support.doors import CLINIC, Callward
from tests.support.journeys import consented_call
from tests.support.platform import QUICK, RunningPlatform, running
from tests.support.telemetry import Telemetry
from tests.support.uploads import INTEROP, Sender, Wire, heard, shows, upload_id
from tests.support.waiting import eventually

AUDIO = wav(3)
LARGEST, OPEN, SILENCE, RATE, PART = 200_000, 3, 1, 2_000, 65_536
LIMITS = {
    **QUICK,
    "CALLWARD_INGEST_MAX_BODY_BYTES": str(LARGEST),
    "CALLWARD_INGEST_MAX_OPEN_UPLOADS": str(OPEN),
    "CALLWARD_INGEST_BODY_IDLE_TIMEOUT": str(SILENCE),
    "CALLWARD_INGEST_MIN_BODY_RATE": str(RATE),
    "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2",
    "CALLWARD_INGEST_UPLOAD_LIFETIME": "PT2M",
    "CALLWARD_INGEST_PART_BYTES": str(PART),
    "CALLWARD_INGEST_LIVE_PART_BYTES": "16384",
    "CALLWARD_INGEST_LIVE_PART_SECONDS": "0.2",
    "CALLWARD_INGEST_PART_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def small(background: BackgroundLoop, telemetry: Telemetry) -> Iterator[RunningPlatform]:
    """A platform with these limits."""
    with running(background, LIMITS) as started:
        yield started


@pytest.fixture(scope="module")
def doors(small: RunningPlatform) -> Callward:
    return small.callward()


@pytest.fixture(scope="module")
def call_of_small(doors: Callward) -> str:
    return consented_call(doors.call_platform())


@pytest.fixture
def sender(doors: Callward, call_of_small: str) -> Iterator[Sender]:
    """What a test leaves open is cancelled: there may be so few."""
    sender = Sender(doors.call_platform(), call_of_small)
    yield sender
    sender.tidy()


def _expire(platform: RunningPlatform, path: str) -> None:
    """Lets the time of an upload be over. The guard that holds its end fixed is in the way, and put back."""
    where, past = f"WHERE upload_id = '{upload_id(path)}'", "now() - interval '1 second'"
    platform.sql(
        "ingest",
        "ALTER TABLE uploads DISABLE TRIGGER uploads_guard;"
        f"UPDATE uploads SET expires_at = {past} {where};"
        "ALTER TABLE uploads ENABLE ALWAYS TRIGGER uploads_guard;"
        f"UPDATE open_uploads SET due_at = {past} {where}",
        role="admin",
    )


@shows("R-70", "T-44")
def test_an_abandoned_upload_expires_with_its_key(small: RunningPlatform, sender: Sender) -> None:
    before = stored(small)
    path, tus = sender.created(body=AUDIO[:70_000]), Tus(sender)
    assert 0 < sender.head(path).limits["max-age"] <= 120
    assert stored(small) > before
    _expire(small, path)
    eventually(lambda: sender.state(path) == "expired", "the end")
    for answer in (sender.append(path, 70_000, AUDIO[70_000:], complete=True), tus.patch(path, 70_000, b"x")):
        assert (answer.problem(), answer.json(410)["state"]) == ((410, "upload-ended"), "expired")
    assert (sender.head(path).status, tus.head(path).status) == (410, 410)
    wait_given_up(small, path)
    eventually(lambda: stored(small) == before, "that its objects are gone")


def test_an_upload_that_expires_while_bytes_arrive(small: RunningPlatform, sender: Sender) -> None:
    path = sender.created()
    with sender.appending(path, 0, True, announced=len(AUDIO)) as wire:
        wire.send(AUDIO[:50_000])
        _expire(small, path)
        ended = _fed(wire, AUDIO[50_000:])
    assert ended is None or ended >= 400, ended
    eventually(lambda: sender.state(path) == "expired", "the end")
    wait_given_up(small, path)


def _fed(wire: Wire, rest: bytes) -> int | None:
    """Sends a few bytes at a time, as fast as the least speed asks for, until there is an answer or a hang-up."""
    for at in range(0, len(rest) - 1, 500):
        if select.select([wire.socket], [], [], 0.1)[0]:
            break
        try:
            wire.send(rest[at : at + 500])
        except ConnectionError:
            break
    answer = wire.outcome()
    return None if answer is None else answer.status


@shows("R-70")
def test_a_tenant_has_so_many_open_uploads(sender: Sender, doors: Callward) -> None:
    paths = [sender.created(body=AUDIO[:10]) for _ in range(OPEN)]
    refused = sender.create(body=AUDIO[:10])
    assert (refused.problem(), refused.get("Location")) == ((429, "too-many-uploads"), None)
    assert int(refused["Retry-After"]) > 0
    assert Tus(sender).create(10).problem() == (429, "too-many-uploads")
    other = doors.call_platform(CLINIC)
    elsewhere = Sender(other, consented_call(other))
    assert elsewhere.create().status == 201, "another tenant's are its own"
    elsewhere.tidy()
    # Those that are open go on, and each that ends makes room for another.
    assert sender.append(paths[0], 10, AUDIO[10:], complete=True).status == 201
    assert sender.cancel(paths[1]).status == 204
    for _ in range(2):
        sender.created()
    assert sender.create().status == 429


@shows("R-70", "T-22")
@pytest.mark.parametrize("bytes_at_once", [0, 1], ids=["silence", "a-byte-at-a-time"])
def test_a_slow_sender_is_cut_off_and_keeps_what_came(
    sender: Sender, doors: Callward, bytes_at_once: int
) -> None:
    path = sender.created()
    with sender.appending(path, 0, True, announced=len(AUDIO)) as wire:
        wire.send(AUDIO[:1_000])
        sent = 1_000
        # A tenth of a second each: far from silent, and far too slow all the same.
        while not select.select([wire.socket], [], [], 0.1 if bytes_at_once else 10)[0]:
            assert bytes_at_once, "silence is noticed"
            assert sent < 1_200, "slowness is noticed"
            wire.send(AUDIO[sent : sent + 1])
            sent += 1
        answer = wire.answer()
        assert answer.problem() == (408, "body-timeout")
        assert wire.closed()
    found = sender.head(path)
    assert 1_000 <= found.offset <= sent
    assert sender.append(path, found.offset, AUDIO[found.offset :], complete=True).status == 201
    assert heard(doors, upload_id(path)) == AUDIO


def test_a_live_sender_is_acknowledged_as_it_goes(sender: Sender, doors: Callward) -> None:
    path, at, acknowledged = sender.created(), 0, [0]
    with sender.appending(path, 0, True, INTEROP, announced=len(AUDIO)) as wire:
        while len(acknowledged) < 3:
            if select.select([wire.socket], [], [], 0.05)[0]:
                acknowledged.append(wire.one().offset)
                assert sender.document(path)["offset"] >= acknowledged[-1]
            else:
                assert at < len(AUDIO) - 1_000, "a part is acknowledged once it is old enough"
                wire.send(AUDIO[at : at + 1_000])
                at += 1_000
        assert acknowledged == sorted(set(acknowledged))
        wire.send(AUDIO[at:])
        assert wire.answer().status == 201
    assert heard(doors, upload_id(path)) == AUDIO


@shows("R-19", "R-11")
def test_an_upload_that_grows_too_large(small: RunningPlatform, sender: Sender, doors: Callward) -> None:
    body = wav(2 * LARGEST / 64_000)
    assert sender.create(body=body, complete=True).problem() == (413, "body-too-large")
    before = stored(small)
    with sender.creation(True, INTEROP, announced=None) as wire:
        path = wire.one()["Location"]
        for at in range(0, LARGEST + 50_000, 50_000):
            wire.chunk(body[at : at + 50_000])
        answer = wire.answer()
    assert (answer.problem(), answer.limits["max-size"]) == ((413, "body-too-large"), LARGEST)
    assert sender.document(path)["offset"] <= LARGEST
    assert sender.state(path) != "complete"
    if sender.head(path).status == 204:
        sender.cancel(path)
    wait_given_up(small, path)
    eventually(lambda: stored(small) == before, "that nothing of it is kept")


@shows("R-19")
def test_appends_do_not_add_up_to_too_much(sender: Sender, doors: Callward) -> None:
    path = sender.created(body=AUDIO[:150_000])
    answer = sender.append(path, 150_000, bytes(LARGEST - 150_000 + 1))
    assert (answer.problem(), answer.limits["max-size"]) == ((413, "body-too-large"), LARGEST)
    if sender.head(path).status == 204:
        assert sender.head(path).offset == 150_000
    fits = wav((LARGEST - 100) / 64_000)
    assert len(fits) <= LARGEST
    taken = sender.create(body=fits, complete=True).json(201)
    assert heard(doors, taken["recordingId"]) == fits


@shows("R-18")
def test_options_states_these_limits(sender: Sender) -> None:
    answer = sender.request("OPTIONS", "/v1/uploads", VERSION)
    assert answer.limits["max-size"] == int(answer["Tus-Max-Size"]) == LARGEST
    path = sender.created(body=AUDIO[:10])
    assert sender.head(path).limits["max-size"] == LARGEST


def test_parts_as_small_as_they_may_be(small: RunningPlatform, sender: Sender, doors: Callward) -> None:
    path = sender.created()
    with sender.appending(path, 0, True, INTEROP, announced=len(AUDIO)) as wire:
        wire.send(AUDIO)
        answer = wire.answer()
    offsets = [each.offset for each in answer.interim]
    assert offsets == sorted(set(offsets))
    assert len(offsets) >= len(AUDIO) // PART - 1
    assert sender.document(path)["parts"] >= len(AUDIO) // PART
    assert heard(doors, upload_id(path)) == AUDIO
    assert key_state(small, upload_id(path)) == "sealed"
