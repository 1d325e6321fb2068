"""`callward verify` on control marks: signature, record, and that no other document passes for one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import File, Run
from tests.unit.cli.papers import EVENT_ID, RECEIPT_TYP, Papers, Signer

TYP = "callward-mark+jws"
MARKS = Signer("mark", 3)
CLAIMS = {"event_id": EVENT_ID, "kind": "mask", "reason": "card-data", "at": "2026-11-24T09:00:00.000000Z"}
TOKEN = MARKS.jws(TYP, json.dumps(CLAIMS).encode())


@pytest.fixture
def with_marks(file: File, papers: Papers) -> Path:
    return file("keys-with-marks.json", {"keys": [*papers.keys["keys"], MARKS.jwk()]})


def event(token: str) -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    document = {
        "metadata": {
            "uid": EVENT_ID,
            "event_code": "callward.ingest.v1.ControlMarkRecorded",
            "original_time": "2026-11-24T10:00:00+00:00",
        },
        "unmapped": {"callward": {"statement_sha256": digest}},
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def report(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    return found


def failed(out: str) -> list[str]:
    return [check["name"] for check in report(out)["checks"] if not check["holds"]]


def test_a_mark_verifies_bare_and_inside_an_answer(run: Run, file: File, with_marks: Path) -> None:
    for content in (TOKEN, f"{TOKEN}\n", {"statement": TOKEN, "kind": "mask"}):
        ended = run("verify", file("mark", content), "--keys", with_marks, "--json")
        assert (ended.code, ended.err) == (0, "")
        found = report(ended.out)
        assert (found["kind"], found["good"], found["facts"]) == ("control mark", True, CLAIMS)
        assert any("on record" in text for text in found["unchecked"])


def test_a_mark_verifies_with_the_proof_of_its_event(
    run: Run, file: File, papers: Papers, with_marks: Path
) -> None:
    mark, proof = file("mark", TOKEN), file("proof.json", papers.proof(event(TOKEN)))
    ended = run("verify", mark, "--proof", proof, "--keys", with_marks, "--json")
    assert (ended.code, failed(ended.out)) == (0, [])
    names = [check["name"] for check in report(ended.out)["checks"]]
    assert names == ["signature", "checkpoint", "tree size", "inclusion", "same event", "same mark"]


def test_a_mark_with_the_event_of_another_one_does_not(
    run: Run, file: File, papers: Papers, with_marks: Path
) -> None:
    other = MARKS.jws(TYP, json.dumps({**CLAIMS, "kind": "unmask"}).encode())
    proof = file("proof.json", papers.proof(event(other)))
    ended = run("verify", file("mark", TOKEN), "--proof", proof, "--keys", with_marks, "--json")
    assert (ended.code, failed(ended.out)) == (1, ["same mark"])


def test_no_other_key_and_no_other_type_passes_for_a_mark(
    run: Run, file: File, papers: Papers, with_marks: Path
) -> None:
    payload = json.dumps(CLAIMS).encode()
    by_a_receipts_key = papers.receipts.jws(TYP, payload)
    typed_as_a_receipt = MARKS.jws(RECEIPT_TYP, payload)
    changed = TOKEN[:-3] + ("AAA" if TOKEN[-3:] != "AAA" else "BBB")
    for token in (by_a_receipts_key, typed_as_a_receipt, changed, TOKEN.replace(".", "..", 1)[:-1]):
        ended = run("verify", file("mark.json", {"statement": token}), "--keys", with_marks, "--json")
        assert (ended.code, failed(ended.out)) == (1, ["signature"])
