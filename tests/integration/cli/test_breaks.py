"""Connections break everywhere; what arrives is equal, and what was acknowledged is sent once."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Upload
from tests.integration.cli.fake_door import URN, FakeDoor, Fault
from tests.unit.cli.conftest import Ended

CALL = "01934e2c-7c00-7000-8000-0000000000c1"
MIB = 1024 * 1024


@pytest.fixture
def audio() -> bytes:
    return random.Random(7).randbytes(3 * MIB + 17)


@pytest.fixture
def recording(tmp_path: Path, audio: bytes) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(audio)
    return path


def sent(ended: Ended) -> dict[str, Any]:
    document = json.loads(ended.out)
    (found,) = document["uploads"]
    assert isinstance(found, dict)
    return found


def remembered(home: Path) -> list[Path]:
    return sorted((home / "state" / "callward" / "uploads").glob("*.json"))


def test_a_file_arrives_and_its_receipt_verifies(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes, signed_in: Path
) -> None:
    ended = upload(
        recording, "--call", CALL, "--leg", "agent", "--started-at", "2026-11-24T10:00:00Z", "--json"
    )
    assert ended.code == 0, ended
    held, found = door.the_upload(), sent(ended)
    assert bytes(held.data) == audio
    assert (held.call, held.media_type, held.length) == (CALL, "audio/wav", len(audio))
    assert held.query == {"call": [CALL], "leg": ["agent"], "startedAt": ["2026-11-24T10:00:00Z"]}
    assert held.digest == hashlib.sha256(audio).digest(), "Repr-Digest was sent before the first byte"
    assert (found["state"], found["good"], found["sha256"]) == (
        "sealed",
        True,
        hashlib.sha256(audio).hexdigest(),
    )
    checks = {check["name"] for check in found["verification"]["checks"] if check["holds"]}
    assert checks == {
        "signature",
        "same recording",
        "same call",
        "same state",
        "same manifest",
        "sender's bytes",
        "same size",
    }
    assert [int(each["content-length"]) for each in door.requests("PATCH")] == [MIB, MIB, MIB, 17]
    assert {each["upload-draft-interop-version"] for each in door.requests("PATCH")} == {"8"}
    (state,) = remembered(signed_in)
    assert state.stat().st_mode & 0o777 == 0o600


def test_appends_are_no_larger_and_no_smaller_than_the_platform_wants(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes
) -> None:
    door.limits = "max-append-size=700000, min-append-size=10, unknown=?1"
    assert upload(recording, "--call", CALL).code == 0
    assert {int(each["content-length"]) for each in door.requests("PATCH")} == {700_000, len(audio) % 700_000}
    door.limits, door.held = f"min-append-size={2 * MIB}", {}
    assert upload(recording, "--call", CALL, "--again").code == 0
    assert int(door.requests("PATCH")[-2]["content-length"]) == 2 * MIB
    assert bytes(door.the_upload().data) == audio


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("POST")],
        [Fault("POST", whole=True)],
        [Fault("PATCH", after=1)],
        [Fault("PATCH", after=MIB - 1), Fault("PATCH", after=1), Fault("PATCH", after=100_000)],
        [Fault("PATCH", after=500_000, keep=False)],
        [Fault("PATCH", after=300_000), Fault("HEAD"), Fault("HEAD", status=503)],
        [Fault("PATCH", whole=True)],
        [Fault("PATCH", status=502), Fault("PATCH", status=503), Fault("PATCH", status=504)],
        [Fault("PATCH", status=429, headers={"Retry-After": "0"}, kind=URN + "too-many-uploads")],
        [Fault("POST", status=503, headers={"Retry-After": "0"})],
        [Fault("GET", status=503)],
    ],
    ids=lambda faults: " ".join(f"{each.method}-{each.status or 'reset'}-{each.after}" for each in faults),
)
def test_after_every_break_it_goes_on(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes, faults: list[Fault]
) -> None:
    door.faults.extend(faults)
    ended = upload(recording, "--call", CALL, "--json")
    assert ended.code == 0, ended
    assert not door.faults
    assert bytes(door.the_upload().data) == audio
    assert "next try in" in ended.err


@pytest.mark.parametrize("after", [0, 1, MIB - 1, MIB, MIB + 1])
def test_a_break_at_any_place_of_a_piece_costs_no_byte(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes, after: int
) -> None:
    door.faults.append(Fault("PATCH", after=min(after, MIB)))
    assert upload(recording, "--call", CALL).code == 0
    assert bytes(door.the_upload().data) == audio


def test_an_answer_that_was_lost_is_asked_for_again(upload: Upload, door: FakeDoor, tmp_path: Path) -> None:
    small = tmp_path / "small.wav"
    small.write_bytes(b"RIFF")
    door.faults.append(Fault("PATCH", whole=True))
    ended = upload(small, "--call", CALL, "--json")
    assert ended.code == 0, ended
    checks = {check["name"] for check in sent(ended)["verification"]["checks"]}
    assert "sender's bytes" in checks, "the same creation gives the whole answer again"
    assert len(door.held) == 1


def test_an_offset_that_is_another_one_is_taken_from_the_platform(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes
) -> None:
    def ahead() -> None:
        held = door.the_upload()
        held.data += audio[:1000]

    door.faults.append(Fault("POST", whole=True))
    original = door._create

    def create(request: Any, query: Any) -> Any:
        answer = original(request, query)
        if not door.the_upload().data:
            ahead()
        return answer

    door._create = create  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 0, ended
    assert bytes(door.the_upload().data) == audio


def test_bytes_that_the_platform_lost_after_acknowledging_them_are_not_passed_over(
    upload: Upload, door: FakeDoor, recording: Path
) -> None:
    original = door._append

    def append(request: Any, held: Any, fault: Any) -> Any:
        answer = original(request, held, fault)
        if len(held.data) == 2 * MIB:
            del held.data[MIB // 2 :]
        return answer

    door._append = append  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 3
    assert "lost bytes that it had acknowledged" in ended.out


def test_it_is_given_up_after_the_time_that_was_said_and_gone_on_with_later(
    upload: Upload, door: FakeDoor, recording: Path, audio: bytes
) -> None:
    door.faults.append(Fault("PATCH", after=MIB // 2))
    door.faults.extend(Fault("HEAD", status=503) for _ in range(1))
    ended = upload(recording, "--call", CALL, "--retry-for", "0")
    assert ended.code == 3
    assert "tried for 0 s" in ended.out
    held = door.the_upload()
    assert len(held.data) == MIB // 2
    door.faults.clear()
    assert upload(recording, "--call", CALL).code == 0
    assert bytes(held.data) == audio
    assert len(door.held) == 1


def test_what_was_sent_is_sent_no_second_time_unless_that_is_wanted(
    upload: Upload, door: FakeDoor, recording: Path
) -> None:
    assert upload(recording, "--call", CALL).code == 0
    again = upload(recording, "--call", CALL)
    assert again.code == 0
    assert "nothing was sent now" in again.out
    assert len(door.held) == 1
    assert upload(recording, "--call", CALL, "--again").code == 0
    assert len(door.held) == 2


def test_several_files_go_at_once_and_each_is_told_by_itself(
    upload: Upload, door: FakeDoor, tmp_path: Path
) -> None:
    files = []
    for number in range(5):
        files.append(tmp_path / f"part-{number}.wav")
        files[-1].write_bytes(random.Random(number).randbytes(200_000 + number))
    ended = upload(*files, tmp_path / "absent.wav", "--call", CALL, "--parallel", "3", "--json")
    assert ended.code == 2
    document = json.loads(ended.out)
    states = [each["state"] for each in document["uploads"]]
    assert states == ["sealed"] * 5 + ["unfinished"]
    assert "No such file" in document["uploads"][5]["error"]
    assert sorted(bytes(each.data) for each in door.held.values()) == sorted(
        path.read_bytes() for path in files
    )
