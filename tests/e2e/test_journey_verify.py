"""`callward verify` and the command's manners: offline, one line of error, documented exit codes."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from callward_cli.main import main
from tests.support.doors import Callward, saw
from tests.support.journeys import answered, record
from tests.support.waiting import eventually

COMMAND = (sys.executable, "-c", "from callward_cli.main import main; main()")


@dataclass(frozen=True)
class Papers:
    """Documents as a holder keeps them: files."""

    keys: Path
    receipt: Path
    proof: Path
    other_proof: Path
    consistency: Path


@pytest.fixture(scope="module")
def papers(callward: Callward, tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("papers")
    recorded, other, siem = record(callward), record(callward), callward.siem()
    keys = answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200)
    log = answered(siem.get("/v1/logs"), 200)["logs"][0]

    def proof(event_id: str) -> dict[str, Any] | None:
        answer = siem.get(f"/v1/events/{event_id}/proof")
        return answer.json() if answer.status_code == 200 else None

    own = eventually(lambda: proof(recorded.answer["eventId"]), "the proof")
    others = eventually(lambda: proof(other.answer["eventId"]), "the other proof")
    old = own["checkpoint"]

    def later() -> str | None:
        assert callward.person().get("/v1/recordings").status_code == 200
        note = siem.get(f"/v1/logs/{log['log']}/checkpoint").text
        return note if _size(note) > _size(old) else None

    new = eventually(later, "a later checkpoint")
    answer = siem.get(f"/v1/logs/{log['log']}/consistency", params={"from": _size(old), "to": _size(new)})
    consistency = {
        "format": "callward-consistency-proof/1",
        "origin": log["origin"],
        "old": old,
        "new": new,
        "consistencyProof": answered(answer, 200)["hashes"],
    }
    return Papers(
        keys=_file(folder / "keys.json", keys),
        receipt=_file(folder / "receipt.json", {"receipt": recorded.answer["receipt"]}),
        proof=_file(folder / "proof.json", own),
        other_proof=_file(folder / "other-proof.json", others),
        consistency=_file(folder / "consistency.json", consistency),
    )


def _size(note: str) -> int:
    return int(note.split("\n")[1])


def _file(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


class Run(Protocol):
    """Runs `callward` and returns exit code, output and errors."""

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]: ...


def in_a_process(*arguments: str | Path) -> tuple[int, str, str]:
    command = [*COMMAND, *(str(each) for each in arguments)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={"PATH": "", "COLUMNS": "200"}
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command's own entry point, in this process: a new one takes a second of imports each time."""

    def entered(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["callward", *(str(each) for each in arguments)])
        capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        assert isinstance(code, int)
        return int(code), said.out, said.err

    return entered


def test_as_a_process(papers: Papers, tmp_path: Path) -> None:
    code, out, err = in_a_process("verify", papers.receipt, "--proof", papers.proof, "--keys", papers.keys)
    assert (code, err) == (0, ""), out
    copy = _file(tmp_path / "copy.json", {**json.loads(papers.proof.read_text()), "leafIndex": 0})
    code, out, err = in_a_process("verify", copy, "--keys", papers.keys)
    assert (code, err) == (1, ""), out
    code, out, err = in_a_process("verify", tmp_path / "absent", "--keys", papers.keys)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"callward: [^\n]+\n", err), err
    code, out, err = in_a_process("--debug", "verify", tmp_path / "absent", "--keys", papers.keys)
    assert code != 0
    assert "CommandError" in err


def test_what_callward_gave_verifies(papers: Papers, run: Run) -> None:
    for arguments in (
        (papers.receipt,),
        (papers.receipt, "--proof", papers.proof),
        (papers.proof,),
        (papers.consistency,),
    ):
        code, out, err = run("verify", *arguments, "--keys", papers.keys, "--json")
        assert (code, err) == (0, ""), out
        report = json.loads(out)
        assert report["good"] is True
        assert all(check["holds"] for check in report["checks"])
        assert report["unchecked"], "it says what it could not check"


def test_a_bare_receipt_verifies(papers: Papers, tmp_path: Path, run: Run) -> None:
    token = json.loads(papers.receipt.read_text())["receipt"]
    bare = tmp_path / "receipt.jws"
    bare.write_text(f"{token}\n", encoding="utf-8")
    code, out, err = run("verify", bare, "--keys", papers.keys)
    assert (code, err) == (0, ""), out


def test_changed_copies_do_not_verify(papers: Papers, tmp_path: Path, run: Run) -> None:
    receipt = json.loads(papers.receipt.read_text())["receipt"]
    head, payload, signature = receipt.split(".")
    proof, consistency = json.loads(papers.proof.read_text()), json.loads(papers.consistency.read_text())
    other = json.loads(papers.other_proof.read_text())
    copies = {
        "payload": {"receipt": f"{head}.{_changed(payload)}.{signature}"},
        "signature": {"receipt": f"{head}.{payload}.{_changed(signature)}"},
        "event": {**proof, "event": proof["event"].replace(":1", ":2", 1)},
        "index": {**proof, "leafIndex": proof["leafIndex"] - 1},
        "hashes": {**proof, "inclusionProof": proof["inclusionProof"][:-1]},
        "another's hashes": {**proof, "inclusionProof": other["inclusionProof"]},
        "checkpoint": {**proof, "checkpoint": proof["checkpoint"].replace("\n", "\n1", 1)},
        "shorter": {**consistency, "consistencyProof": consistency["consistencyProof"][:-1]},
        "reversed": {**consistency, "old": consistency["new"], "new": consistency["old"]},
    }
    for name, document in copies.items():
        assert document not in (proof, consistency), name
        copy = _file(tmp_path / "copy.json", document)
        code, out, err = run("verify", copy, "--keys", papers.keys, "--json")
        assert (code, err) == (1, ""), (name, out)
        assert json.loads(out)["good"] is False, name


def _changed(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def test_a_receipt_with_anothers_proof_does_not_verify(papers: Papers, run: Run) -> None:
    code, out, err = run("verify", papers.receipt, "--proof", papers.other_proof, "--keys", papers.keys)
    assert (code, err) == (1, ""), out


def test_other_keys_do_not_verify(papers: Papers, tmp_path: Path, run: Run) -> None:
    document = json.loads(papers.keys.read_text())
    for key in document["keys"]:
        key["x"] = "A" * 42 + "E"
    other = _file(tmp_path / "other-keys.json", document)
    for paper in (papers.receipt, papers.proof, papers.consistency):
        code, out, err = run("verify", paper, "--keys", other)
        assert code == 1, (paper.name, out, err)
        assert "Traceback" not in out + err


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"receipt": 1}', b'{"format": "callward-audit-proof/1"}'],
)
def test_what_cannot_be_understood_is_one_line_and_exit_code_2(
    papers: Papers, tmp_path: Path, run: Run, content: bytes
) -> None:
    file = tmp_path / "odd"
    file.write_bytes(content)
    code, out, err = run("verify", file, "--keys", papers.keys)
    assert code == 2, (out, err)
    assert out == ""
    assert re.fullmatch(r"callward: [^\n]+\n", err), err


def test_missing_files_and_keys_are_one_line(papers: Papers, tmp_path: Path, run: Run) -> None:
    for arguments in (
        (tmp_path / "absent", "--keys", papers.keys),
        (papers.receipt, "--keys", tmp_path / "absent"),
        (papers.receipt,),
        (papers.receipt, "--proof", papers.receipt, "--keys", papers.keys),
    ):
        code, out, err = run("verify", *arguments)
        assert (code, out) == (2, ""), err
        assert re.fullmatch(r"callward: [^\n]+\n", err), err


def test_version_and_help() -> None:
    run = in_a_process
    code, out, err = run("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"callward \d+\.\d+\.\d+\S*\n", out)
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert all(word in out for word in ("dev", "demo", "verify", "Exit codes"))
    code, out, err = run("nonsense")
    assert code == 2
    assert "Traceback" not in out + err


def test_the_doors_give_the_public_keys_to_anybody(callward: Callward) -> None:
    keys = answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200)["keys"]
    same = answered(callward.nobody(callward.doors.ingest).get("/.well-known/jwks.json"), 200)["keys"]
    assert {key["kid"] for key in keys} == {key["kid"] for key in same}
    assert {key["callward_document_type"] for key in keys} >= {"receipt", "checkpoint"}
    assert not any("d" in key for key in keys)
    assert saw(callward.nobody(callward.doors.audit).get("/v1/logs")) == (401, "token-missing")
