"""What is not taken in, what does not verify, and files that are not what they were: said clearly, exit code 1 or 2."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from callward_cli.upload import receipts
from tests.integration.cli.conftest import Upload
from tests.integration.cli.fake_door import URN, FakeDoor, Fault
from tests.unit.cli.conftest import Run
from tests.unit.cli.papers import Papers, Signer

CALL = "01934e2c-7c00-7000-8000-0000000000c1"
STATE = ("state", "callward", "uploads")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(random.Random(3).randbytes(1_500_000))
    return path


def remembered(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(home.joinpath(*STATE).glob("*.json"))]


def failed_checks(out: str) -> list[str]:
    (found,) = json.loads(out)["uploads"]
    return [check["name"] for check in found["verification"]["checks"] if not check["holds"]]


def test_a_refusal_without_consent_is_1_and_leaves_nothing_behind(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    door.faults.append(Fault("POST", status=403, kind=URN + "consent-required"))
    ended = upload(recording, "--call", CALL)
    assert ended.code == 1
    assert ended.out.startswith(
        f"refused {recording}: the platform refused (403 consent-required): As the test"
    )
    assert remembered(signed_in) == []
    assert door.held == {}


def test_a_quarantined_recording_is_1_with_its_reasons(
    upload: Upload, door: FakeDoor, recording: Path
) -> None:
    door.state, door.reasons = "quarantined", ["no-audio"]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 1
    assert "quarantined" in ended.out
    assert "kept apart because of: no-audio" in ended.out


@pytest.mark.parametrize(
    ("tamper", "fails"),
    [
        ({"receipt": "a.b.c"}, ["signature"]),
        ({"receipt": None}, ["signature"]),
        ({"recordingId": "01934e2c-7c00-7000-8000-0000000000ff"}, ["same recording"]),
        ({"manifestSha256": "AAAA"}, ["same manifest"]),
        ({"receiptCommitmentNonce": "AAAA"}, ["sender's bytes"]),
        ({"receiptCommitmentNonce": "?"}, ["sender's bytes"]),
        ({"media": {"size": 1}}, ["same size"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_answer_that_is_not_the_receipts_is_1(
    upload: Upload, door: FakeDoor, recording: Path, tamper: dict[str, Any], fails: list[str]
) -> None:
    door.tamper = tamper
    ended = upload(recording, "--call", CALL, "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, fails)


def test_a_receipt_for_another_call_is_1(upload: Upload, door: FakeDoor, recording: Path) -> None:
    original = door._complete

    def complete(held: Any) -> Any:
        held.call = "01934e2c-7c00-7000-8000-0000000000c2"
        return original(held)

    door._complete = complete  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL, "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, ["same call"])


def test_a_receipt_that_commits_to_no_digest_is_1(upload: Upload, door: FakeDoor, recording: Path) -> None:
    original = door._answer

    def answer(held: Any) -> Any:
        held.digest = None
        return original(held)

    door._answer = answer  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL, "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, ["sender's bytes"])


def test_keys_that_are_pinned_count_and_not_the_doors(
    upload: Upload, door: FakeDoor, recording: Path, tmp_path: Path
) -> None:
    mine, others = tmp_path / "mine.json", tmp_path / "others.json"
    mine.write_text(json.dumps(door.papers.keys))
    others.write_text(json.dumps(Papers(receipts=Signer("receipt", 9)).keys))
    good = upload(recording, "--call", CALL, "--keys", mine)
    assert good.code == 0
    assert "the door gave them" not in good.out
    assert door.requests("GET", "jwks.json") == []
    ended = upload(recording, "--call", CALL, "--keys", others, "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, ["signature"])


def test_the_proof_is_waited_for_and_verified(upload: Upload, door: FakeDoor, recording: Path) -> None:
    assert upload(recording, "--call", CALL).code == 0
    door.faults.extend([Fault("GET", status=503, kind=""), Fault("GET", status=503)])
    door.not_yet = 2
    ended = upload(recording, "--call", CALL, "--proof", "--json")
    assert ended.code == 0, ended
    assert door.not_yet == 0
    names = {check["name"] for check in json.loads(ended.out)["uploads"][0]["verification"]["checks"]}
    assert {"checkpoint", "tree size", "inclusion", "same event", "same receipt"} <= names


def test_a_proof_of_another_tree_is_1(upload: Upload, door: FakeDoor, recording: Path) -> None:
    original = door._proof
    door._proof = lambda held: {**original(held), "leafIndex": 2}  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL, "--proof", "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, ["inclusion"])


def test_a_file_that_changed_since_its_upload_began_is_refused_and_can_be_given_up(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    door.faults.append(Fault("PATCH", after=1000))
    door.faults.append(Fault("HEAD", status=503))
    assert upload(recording, "--call", CALL, "--retry-for", "0").code == 3
    held = door.the_upload()
    audio = recording.read_bytes()
    recording.write_bytes(audio + b"more")
    ended = upload(recording, "--call", CALL)
    assert ended.code == 2
    assert "is another file than the one whose upload" in ended.out
    assert f"callward upload --cancel {held.upload_id}" in ended.out
    assert held.state == "receiving"
    cancelled = upload("--cancel", held.upload_id)
    assert (cancelled.code, cancelled.out) == (0, f"cancelled {held.upload_id}\n")
    assert (held.state, remembered(signed_in)) == ("cancelled", [])
    assert upload(recording, "--call", CALL).code == 0


def test_a_file_that_changes_while_it_is_sent_is_not_completed(
    upload: Upload, door: FakeDoor, recording: Path
) -> None:
    original = door._append

    def append(request: Any, held: Any, fault: Any) -> Any:
        answer = original(request, held, fault)
        with recording.open("ab") as file:
            file.write(b"!")
        return answer

    door._append = append  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 2
    assert "changed while it was being sent" in ended.out
    assert door.the_upload().state == "receiving"


def test_a_wrong_digest_ends_the_upload(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    original = door._create

    def create(request: Any, query: Any) -> Any:
        answer = original(request, query)
        door.the_upload().digest = bytes(32)
        return answer

    door._create = create  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 1
    assert "digest-mismatch" in ended.out
    assert remembered(signed_in) == []


def test_an_upload_that_has_ended_begins_anew(upload: Upload, door: FakeDoor, recording: Path) -> None:
    door.faults.extend([Fault("PATCH", after=1000), Fault("HEAD", status=503)])
    assert upload(recording, "--call", CALL, "--retry-for", "0").code == 3
    first = door.the_upload()
    first.state = "expired"
    ended = upload(recording, "--call", CALL)
    assert ended.code == 0, ended
    assert "has ended (expired); beginning anew" in ended.err
    second = next(each for each in door.held.values() if each is not first)
    assert bytes(second.data) == recording.read_bytes()
    assert second.key != first.key


def test_an_upload_that_the_platform_does_not_know_is_said(
    upload: Upload, door: FakeDoor, recording: Path, run: Run
) -> None:
    door.faults.extend([Fault("PATCH", after=1000), Fault("HEAD", status=503)])
    assert upload(recording, "--call", CALL, "--retry-for", "0").code == 3
    upload_id = door.the_upload().upload_id
    door.held.clear()
    ended = upload(recording, "--call", CALL)
    assert ended.code == 1
    assert f"callward status --forget {upload_id}" in ended.out
    assert run("status", upload_id, "--forget").code == 0
    assert upload(recording, "--call", CALL).code == 0


def test_a_file_past_the_platforms_limit_is_given_up_before_its_first_byte(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    door.limits = "max-size=1000"
    ended = upload(recording, "--call", CALL)
    assert ended.code == 1
    assert "larger than the platform takes: 1000 bytes" in ended.out
    assert (door.the_upload().state, door.requests("PATCH"), remembered(signed_in)) == ("cancelled", [], [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name files to send"),
        (("a.wav",), "--call"),
        (("a.wav", "a.wav", "--call", CALL), "twice"),
        (("a.wav", "--call", CALL, "--retry-for", "soon"), "no duration"),
        (("a.wav", "--cancel", "x", "--call", CALL), "name files to send"),
        (("--cancel", "x"), "no upload x is remembered"),
        (("--finish", "x"), "no upload x is remembered"),
        (("a.wav", "--call", CALL, "--server", "http://vault.example.org"), "without TLS"),
        (("a.wav", "--call", CALL, "--server", "ftp://vault.example.org"), "no address"),
        (("a.wav", "--call", CALL, "--server", "https://me:pw@vault.example.org"), "name or a password"),
        (("a.wav", "--call", CALL, "--demo", "bayview-hospital", "--token-file", "t"), "two ways"),
        (("a.wav", "--call", CALL, "--keys", "absent.json"), "cannot be read"),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_2_in_one_line(
    upload: Upload, arguments: tuple[str, ...], says: str
) -> None:
    ended = upload(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("call.bin", b"x", "--media-type"),
        ("folder.wav", None, "is no file"),
        ("absent.wav", ..., "No such file"),
    ],
)
def test_a_file_that_cannot_be_sent_is_2(
    upload: Upload, door: FakeDoor, tmp_path: Path, name: str, content: Any, says: str
) -> None:
    path = tmp_path / name
    if content is None:
        path.mkdir()
    elif content is not ...:
        path.write_bytes(content)
    ended = upload(path, "--call", CALL)
    assert ended.code == 2
    assert says in ended.out
    assert door.held == {}


def test_an_empty_file_is_the_platforms_to_judge(upload: Upload, door: FakeDoor, tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    assert upload(path, "--call", CALL).code == 0
    assert (bytes(door.the_upload().data), door.the_upload().state) == (b"", "complete")


def test_an_address_elsewhere_gets_no_token(upload: Upload, door: FakeDoor, recording: Path) -> None:
    original = door._create

    def create(request: Any, query: Any) -> Any:
        answer = original(request, query)
        elsewhere = {**answer.headers, "Location": "http://127.0.0.1:1/v1/uploads/x"}
        return type(answer)(answer.status, elsewhere)

    door._create = create  # type: ignore[method-assign]
    ended = upload(recording, "--call", CALL)
    assert ended.code == 3
    assert "names no upload of its own" in ended.out


def test_a_proof_that_does_not_come_is_1(
    upload: Upload, door: FakeDoor, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "PROOF_WITHIN", 0.0)
    door.not_yet = 99
    ended = upload(recording, "--call", CALL, "--proof", "--json")
    assert (ended.code, failed_checks(ended.out)) == (1, ["on record"])
