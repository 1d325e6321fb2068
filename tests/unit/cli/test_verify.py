"""`callward verify`: what holds, what does not, what it could not check, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import File, Run
from tests.unit.cli.papers import ORIGIN, RECEIPT_TYP, Papers, Signer, base64url


def _report(out: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(out)
    assert set(document) == {"kind", "good", "facts", "checks", "unchecked"}
    assert all(set(check) == {"name", "holds", "detail"} for check in document["checks"])
    return document


def _failed(out: str) -> list[str]:
    return [check["name"] for check in _report(out)["checks"] if not check["holds"]]


def test_a_receipt_verifies_bare_and_inside_an_answer(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    for content in (papers.receipt, papers.receipt + "\n", {"receipt": papers.receipt, "state": "sealed"}):
        ended = run("verify", file("receipt", content), "--keys", keys, "--json")
        assert (ended.code, ended.err) == (0, "")
        report = _report(ended.out)
        assert (report["kind"], report["good"], report["facts"]) == ("receipt", True, papers.claims)
        assert [check["name"] for check in report["checks"]] == ["signature"]
        assert any("on record" in text for text in report["unchecked"])
        assert any("revoked" in text for text in report["unchecked"])


def test_a_receipt_verifies_with_the_proof_of_its_event(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    receipt, proof = file("receipt", papers.receipt), file("proof.json", papers.proof())
    ended = run("verify", receipt, "--proof", proof, "--keys", keys, "--json")
    assert (ended.code, _failed(ended.out)) == (0, [])
    names = [check["name"] for check in _report(ended.out)["checks"]]
    assert names == ["signature", "checkpoint", "tree size", "inclusion", "same event", "same receipt"]
    assert not any("on record" in text for text in _report(ended.out)["unchecked"])


def test_a_receipt_with_the_proof_of_another_event_does_not(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    other = papers.event.replace("000a", "000b")
    unreadable = ["not JSON", "{}", '{"unmapped":{}}']
    for event in (other, *unreadable):
        proof = file("proof.json", papers.proof(event))
        ended = run("verify", file("receipt", papers.receipt), "--proof", proof, "--keys", keys, "--json")
        assert (ended.code, _failed(ended.out)) == (1, ["same event"])


def test_a_receipt_with_the_event_of_another_receipt_does_not(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    again = papers.receipts.jws(RECEIPT_TYP, json.dumps({**papers.claims, "more": 1}).encode())
    proof = file("proof.json", papers.proof())
    ended = run("verify", file("receipt", again), "--proof", proof, "--keys", keys, "--json")
    assert (ended.code, _failed(ended.out)) == (1, ["same receipt"])


def test_an_event_is_proved(run: Run, file: File, papers: Papers, keys: Path) -> None:
    ended = run("verify", file("proof.json", papers.proof()), "--keys", keys, "--json")
    assert (ended.code, ended.err) == (0, "")
    report = _report(ended.out)
    assert report["kind"] == "inclusion proof"
    assert report["facts"]["event"] == "callward.ingest.v1.RecordingSealed"
    assert (report["facts"]["leafIndex"], report["facts"]["treeSize"]) == (5, 7)
    assert any("the one others see" in text for text in report["unchecked"])


def test_growth_is_proved(run: Run, file: File, papers: Papers, keys: Path) -> None:
    ended = run("verify", file("growth.json", papers.consistency()), "--keys", keys, "--json")
    assert (ended.code, _failed(ended.out)) == (0, [])
    assert _report(ended.out)["facts"] == {"origin": ORIGIN, "oldSize": 4, "newSize": 7}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_no_byte_of_a_receipt_can_be_changed(
    run: Run, file: File, papers: Papers, keys: Path, part: int
) -> None:
    parts = papers.receipt.split(".")
    for place in range(0, len(parts[part]), 7):
        text = parts[part]
        other = "A" if text[place] != "A" else "B"
        changed = [*parts[:part], text[:place] + other + text[place + 1 :], *parts[part + 1 :]]
        ended = run("verify", file("receipt", ".".join(changed)), "--keys", keys, "--json")
        assert (ended.code, _failed(ended.out)) == (1, ["signature"])


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (lambda d: {**d, "event": d["event"].replace("Sealed", "sealed")}, ["inclusion"]),
        (lambda d: {**d, "event": d["event"] + " "}, ["inclusion"]),
        (lambda d: {**d, "leafIndex": 4}, ["inclusion"]),
        (lambda d: {**d, "leafIndex": -1}, ["inclusion"]),
        (lambda d: {**d, "treeSize": 6}, ["tree size", "inclusion"]),
        (lambda d: {**d, "treeSize": 2**70}, ["tree size", "inclusion"]),
        (lambda d: {**d, "inclusionProof": d["inclusionProof"][:-1]}, ["inclusion"]),
        (lambda d: {**d, "inclusionProof": d["inclusionProof"][::-1]}, ["inclusion"]),
        (lambda d: {**d, "inclusionProof": []}, ["inclusion"]),
        (lambda d: {**d, "inclusionProof": ["AAAA", *d["inclusionProof"][1:]]}, ["inclusion"]),
        (lambda d: {**d, "checkpoint": d["checkpoint"].replace("\n7\n", "\n8\n")}, ["checkpoint"]),
        (lambda d: {**d, "checkpoint": d["checkpoint"].rstrip("\n")}, ["checkpoint"]),
        (lambda d: {**d, "checkpoint": ""}, ["checkpoint"]),
        (lambda d: {**d, "origin": "callward.test/logs/2027-0"}, ["checkpoint"]),
    ],
)
def test_no_part_of_a_proof_can_be_changed(
    run: Run, file: File, papers: Papers, keys: Path, change: Any, fails: list[str]
) -> None:
    changed = change(papers.proof())
    assert changed != papers.proof()
    ended = run("verify", file("proof.json", changed), "--keys", keys, "--json")
    assert (ended.code, ended.err, _failed(ended.out)) == (1, "", fails)


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        (lambda d: {**d, "old": d["new"], "new": d["old"]}, ["consistency"]),
        (lambda d: {**d, "consistencyProof": []}, ["consistency"]),
        (lambda d: {**d, "consistencyProof": d["consistencyProof"] * 2}, ["consistency"]),
        (lambda d: {**d, "old": d["old"].replace("\n4\n", "\n3\n")}, ["earlier checkpoint"]),
        (lambda d: {**d, "new": "nothing"}, ["later checkpoint"]),
    ],
)
def test_no_part_of_a_proof_of_growth_can_be_changed(
    run: Run, file: File, papers: Papers, keys: Path, change: Any, fails: list[str]
) -> None:
    ended = run("verify", file("growth.json", change(papers.consistency())), "--keys", keys, "--json")
    assert (ended.code, _failed(ended.out)) == (1, fails)


def test_a_key_verifies_its_own_type_of_document_only(run: Run, file: File, papers: Papers) -> None:
    exchanged = {
        "keys": [
            {**papers.receipts.jwk(), "callward_document_type": "checkpoint"},
            {**papers.checkpoints.jwk(), "callward_document_type": "receipt"},
        ]
    }
    keys = file("exchanged.json", exchanged)
    for content, fails in (
        (papers.receipt, ["signature"]),
        (papers.proof(), ["checkpoint"]),
        (papers.consistency(), ["earlier checkpoint", "later checkpoint"]),
    ):
        ended = run("verify", file("document", content), "--keys", keys, "--json")
        assert (ended.code, _failed(ended.out)) == (1, fails)


def test_a_checkpoints_key_cannot_sign_a_receipt(run: Run, file: File, papers: Papers, keys: Path) -> None:
    forged = papers.checkpoints.jws(RECEIPT_TYP, json.dumps(papers.claims).encode())
    assert run("verify", file("receipt", forged), "--keys", keys).code == 1


def test_a_token_of_another_type_is_no_receipt(run: Run, file: File, papers: Papers, keys: Path) -> None:
    for typ in ("JWT", "callward-certificate+jwt", ""):
        token = papers.receipts.jws(typ, json.dumps(papers.claims).encode())
        assert run("verify", file("receipt", token), "--keys", keys).code == 1


def test_a_signature_with_no_algorithm_is_none(run: Run, file: File, papers: Papers, keys: Path) -> None:
    payload = papers.receipt.split(".")[1]
    for header in (
        {"alg": "none", "typ": RECEIPT_TYP},
        {"alg": "HS256", "typ": RECEIPT_TYP, "kid": "receipt-1"},
    ):
        token = f"{base64url(json.dumps(header).encode())}.{payload}."
        assert run("verify", file("receipt", token), "--keys", keys).code == 1


def test_keys_of_a_rotation_verify_beside_the_new_ones(run: Run, file: File, papers: Papers) -> None:
    rotated = {"keys": [Signer("receipt", 9).jwk(), Signer("checkpoint", 8).jwk(), *papers.keys["keys"]]}
    keys = file("rotated.json", rotated)
    for content in (papers.receipt, papers.proof(), papers.consistency()):
        assert run("verify", file("document", content), "--keys", keys).code == 0


def test_keys_that_came_with_the_file_are_said_to_be_unchecked(run: Run, file: File, papers: Papers) -> None:
    ended = run("verify", file("proof.json", {**papers.proof(), "keys": papers.keys}), "--json")
    assert ended.code == 0
    assert any("--keys" in text for text in _report(ended.out)["unchecked"])


def test_given_keys_count_more_than_those_in_the_file(run: Run, file: File, papers: Papers) -> None:
    others = Papers(receipts=Signer("receipt", 5), checkpoints=Signer("checkpoint", 6))
    bundle = file("proof.json", {**papers.proof(), "keys": papers.keys})
    assert run("verify", bundle, "--keys", file("others.json", others.keys)).code == 1


def test_the_text_for_people_says_what_holds_and_what_was_not_checked(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    good = run("verify", file("proof.json", papers.proof()), "--keys", keys)
    assert good.out.splitlines()[0] == "inclusion proof: verified"
    assert f"✓ checkpoint: signed for {ORIGIN} at 7 leaves" in good.out
    assert "? not checked: that this log is the one others see" in good.out
    bad = run("verify", file("proof.json", {**papers.proof(), "leafIndex": 4}), "--keys", keys)
    assert bad.code == 1
    assert bad.out.splitlines()[0] == "inclusion proof: does not verify"
    assert "✗ inclusion" in bad.out
