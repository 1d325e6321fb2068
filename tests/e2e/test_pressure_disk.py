"""A disk that is full: refused with 503 and Retry-After, nothing acknowledged is lost, all goes on once there is room.

Everything but PostgreSQL lies on a tmpfs of a few megabytes: objects, wrapped keys, the key ring.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.uploads.looking import NothingKept, stored
from tests.support.audio import wav
from tests.support.background import BackgroundLoop
from tests.support.doors import Callward, Client, problem
from tests.support.journeys import answered, consented_call, upload
from tests.support.platform import QUICK, RunningPlatform
from tests.support.settled import Settled
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.telemetry import Telemetry
from tests.support.uploads import INTEROP, Sender, upload_id
from tests.support.waiting import eventually

MIB = 1024 * 1024
SIZE, PART = 16 * MIB, 64 * 1024
SETTINGS = {
    **QUICK,
    "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2",
    "CALLWARD_INGEST_PART_BYTES": str(PART),
    "CALLWARD_INGEST_LIVE_PART_BYTES": "16384",
}


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    with small_disk(SIZE, elsewhere="data/postgres") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def platform(disk: SmallDisk, background: BackgroundLoop, telemetry: Telemetry) -> Iterator[RunningPlatform]:
    """A platform whose data lie on the small disk; it is never started again."""
    running = RunningPlatform(background, disk.folder / "data", SETTINGS)
    running.start()
    try:
        yield running
    finally:
        running.stop()


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
    """The machine that sends recordings, once a first recording is kept."""
    return callward.call_platform()


def test_a_plain_upload_is_refused_whole_and_taken_once_there_is_room(
    platform: RunningPlatform, callward: Callward, settled: Settled, disk: SmallDisk, machine: Client
) -> None:
    audio, key, call_id = wav(10), secrets.token_hex(8), consented_call(machine)
    nothing = NothingKept(platform)
    disk.fill(leave=200_000)
    answer = upload(machine, call_id, audio, key=key)
    assert (answer.status_code, problem(answer)) == (503, "upload-failed")
    assert int(answer.headers["Retry-After"]) >= 1
    nothing.wait_files_gone()
    assert disk.free >= 190_000, "what was written before the disk was full is gone"
    again = upload(machine, call_id, audio, key=key)
    assert again.status_code == 503, "the key is free again at once, and the disk is still full"
    disk.make_room()
    taken = answered(upload(machine, call_id, audio, key=key), 201)
    settled.demand(callward, {taken["recordingId"]: audio})
    states = platform.sql(
        "ingest", "SELECT state FROM recordings WHERE call_id = $1::uuid", call_id, role="admin"
    )
    assert sorted(row["state"] for row in states) == ["abandoned", "abandoned", "sealed"]


def test_an_upload_keeps_what_was_acknowledged_and_goes_on_once_there_is_room(
    platform: RunningPlatform, callward: Callward, settled: Settled, disk: SmallDisk, machine: Client
) -> None:
    audio, sender = wav(10), Sender(machine, consented_call(machine))
    path = sender.created()
    disk.fill(leave=300_000)
    before = stored(platform)
    with sender.appending(path, 0, True, INTEROP, announced=len(audio)) as wire:
        wire.send(audio)
        answer = wire.answer()
    assert answer.problem() == (503, "upload-interrupted")
    assert int(answer["Retry-After"]) >= 1
    acknowledged = [each.offset for each in answer.interim if each.get("Upload-Offset")]
    assert PART <= acknowledged[-1] < 300_000
    assert sender.head(path).offset == acknowledged[-1], (
        "nothing acknowledged is lost, nothing more is claimed"
    )
    parts = sender.document(path)["parts"]
    assert len(stored(platform) - before) == parts, "no piece of the part that did not fit is left"
    disk.fill()
    for _ in range(2):
        assert sender.append(path, acknowledged[-1], audio[acknowledged[-1] :]).problem() == (
            503,
            "upload-interrupted",
        )
    assert sender.head(path).offset == acknowledged[-1]
    disk.make_room()
    done = sender.append(path, acknowledged[-1], audio[acknowledged[-1] :], complete=True)
    assert done.status == 201, done
    settled.demand(callward, {upload_id(path): audio})


@pytest.mark.timeout(240)
def test_sealing_that_meets_the_full_disk_is_made_up_for_without_the_sender(
    callward: Callward, settled: Settled, disk: SmallDisk, machine: Client
) -> None:
    """With every page more, sealing gets further: to the peaks, the sidecar, the wrapped key, the locks."""
    audio, sender = wav(1), Sender(machine, consented_call(machine))
    paths = [sender.created(body=audio) for _ in range(6)]
    answers = []
    for pages, path in enumerate(paths):
        disk.fill(leave=pages * 4096)
        answers.append(sender.append(path, len(audio), complete=True))
        if answers[-1].status == 503:
            assert sender.state(path) == "completing"
            assert sender.head(path).complete, "every byte is kept"
        disk.make_room()
    problems = [answer.problem() for answer in answers if answer.status != 201]
    assert answers[0].status == answers[1].status == 503
    assert set(problems) == {(503, "upload-not-sealed")}
    assert all(int(answer["Retry-After"]) >= 1 for answer in answers if answer.status == 503)
    eventually(lambda: all(sender.state(path) == "complete" for path in paths), "the seals", within=120)
    settled.demand(callward, {upload_id(path): audio for path in paths})


def test_the_sender_of_what_was_not_sealed_gets_its_receipt(
    callward: Callward, settled: Settled, disk: SmallDisk, machine: Client
) -> None:
    audio, sender = wav(1), Sender(machine, consented_call(machine))
    path = sender.created(body=audio)
    disk.fill()
    assert sender.append(path, len(audio), complete=True).problem() == (503, "upload-not-sealed")
    assert sender.append(path, len(audio), complete=True).problem() == (503, "upload-not-sealed")
    disk.make_room()
    body: dict[str, Any] = sender.append(path, len(audio), complete=True).json(201)
    assert (body["recordingId"], body["state"]) == (upload_id(path), "sealed")
    settled.demand(callward, {upload_id(path): audio})


def test_a_new_upload_on_a_full_disk_is_refused_or_opens_and_can_be_cancelled(
    callward: Callward, settled: Settled, disk: SmallDisk, machine: Client
) -> None:
    sender = Sender(machine, consented_call(machine))
    disk.fill()
    answer = sender.create(body=wav(1))
    assert answer.problem() in {(503, "upload-interrupted"), (503, "upload-failed")}
    assert int(answer["Retry-After"]) >= 1
    path = sender.created()
    assert sender.cancel(path).status == 204, "giving up needs no room"
    disk.make_room()
    for row in settled.platform.sql(
        "ingest", "SELECT upload_id FROM uploads WHERE state = 'receiving'", role="admin"
    ):
        assert sender.cancel(f"/v1/uploads/{row['upload_id']}").status == 204
    settled.demand(callward)
