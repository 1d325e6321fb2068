"""`callward status`: what is unfinished, as the platform sees it."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Upload
from tests.integration.cli.fake_door import FakeDoor, Fault
from tests.unit.cli.conftest import Run

CALL = "01934e2c-7c00-7000-8000-0000000000c1"


@pytest.fixture
def unfinished(upload: Upload, door: FakeDoor, tmp_path: Path) -> Path:
    """A file of 2,000 bytes of which 1,234 are durable."""
    path = tmp_path / "call.wav"
    path.write_bytes(b"a" * 2000)
    door.faults.extend([Fault("PATCH", after=1234)])
    assert upload(path, "--call", CALL, "--retry-for", "0").code == 3
    return path


def test_nothing_is_unfinished(run: Run, home: Path) -> None:
    ended = run("status")
    assert (ended.code, ended.out) == (0, "No upload is unfinished.\n")


def test_an_unfinished_upload_is_shown_with_the_platforms_view(
    run: Run, door: FakeDoor, unfinished: Path
) -> None:
    upload_id = door.the_upload().upload_id
    ended = run("status")
    assert ended.code == 0
    (line,) = ended.out.splitlines()
    assert line == (
        f"{upload_id}  receiving  1,234 of 2,000 bytes durable  until 2026-12-01T00:00:00.000Z  {unfinished}"
    )
    document = json.loads(run("status", upload_id, "--json").out)
    (found,) = document["uploads"]
    assert (found["offset"], found["length"], found["callId"]) == (1234, 2000, CALL)
    assert (found["file"], found["expiresAt"]) == (str(unfinished), "2026-12-01T00:00:00.000Z")


def test_what_is_sent_is_not_unfinished_any_more(run: Run, upload: Upload, unfinished: Path) -> None:
    assert upload(unfinished, "--call", CALL).code == 0
    assert run("status").out == "No upload is unfinished.\n"


def test_the_recordings_of_a_call_are_shown(
    run: Run, upload: Upload, door: FakeDoor, unfinished: Path
) -> None:
    assert upload(unfinished, "--call", CALL).code == 0
    ended = run("status", "--call", CALL)
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"call {CALL}: permit",
        f"  recording {door.the_upload().upload_id}  sealed",
    ]


def test_a_platform_that_is_away_is_3_and_what_is_known_here_is_shown(
    run: Run, door: FakeDoor, unfinished: Path
) -> None:
    door.faults.append(Fault("GET", status=503))
    ended = run("status")
    assert ended.code == 3
    assert "unknown  the platform answered 503" in ended.out
    assert str(unfinished) in ended.out


def test_without_signing_in_what_is_known_here_is_shown(run: Run, signed_in: Path, unfinished: Path) -> None:
    (signed_in / "config" / "callward" / "config.toml").unlink()
    ended = run("status")
    assert ended.code == 0
    assert "not asked: say how to sign in" in ended.out
    assert str(unfinished) in ended.out


def test_an_upload_at_another_server_is_named(run: Run, door: FakeDoor, unfinished: Path) -> None:
    ended = run("status", "--server", "http://127.0.0.1:1")
    assert ended.code == 0
    assert f"elsewhere  at {door.url}" in ended.out


def test_an_upload_of_another_machine_can_be_asked_for_by_its_id(
    run: Run, upload: Upload, door: FakeDoor, unfinished: Path
) -> None:
    upload_id = door.the_upload().upload_id
    assert run("status", "--forget", upload_id).code == 0
    ended = run("status", upload_id)
    assert ended.code == 0
    assert ended.out.startswith(f"{upload_id}  receiving  1,234 of 2,000")
    assert run("status", "01934e2c-7c00-7000-8000-0000000000ee").code == 1


def test_forget_wants_names(run: Run, home: Path) -> None:
    ended = run("status", "--forget")
    assert ended.code == 2
    assert "name the uploads" in ended.err


def test_a_damaged_state_is_said_in_one_line(run: Run, signed_in: Path, unfinished: Path) -> None:
    (path,) = (signed_in / "state" / "callward" / "uploads").glob("*.json")
    for content in (b"{", b"[]", b'{"format": 99}', b'{"format": 1}'):
        path.write_bytes(content)
        ended = run("status")
        assert ended.code == 2
        assert str(path) in ended.err
        assert ended.err.count("\n") == 1
