"""Files that cannot be understood, and hostile ones: one line, a documented exit code, never a stack trace."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Ended, File, Run
from tests.unit.cli.papers import RECEIPT_TYP, Papers

LINE = re.compile(r"callward: [^\n]+\n")


def _is_one_line(ended: Ended) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    assert LINE.fullmatch(ended.err), ended.err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        b"{",
        b"null",
        b"7",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b"a.b",
        b"[" * 100_000,
        b'{"receipt": 1}',
        b'{"format": "callward-audit-proof/2"}',
        b'{"format": "callward-audit-proof/1"}',
        b'{"format": "callward-consistency-proof/1"}',
    ],
    ids=lambda content: content[:30].decode("latin-1"),
)
def test_what_is_no_document_is_said_in_one_line(run: Run, file: File, keys: Path, content: bytes) -> None:
    _is_one_line(run("verify", file("odd", content), "--keys", keys))


@pytest.mark.parametrize(
    "name", ["log", "origin", "leafIndex", "treeSize", "event", "inclusionProof", "checkpoint"]
)
@pytest.mark.parametrize("value", [None, [1], True, {}])
def test_a_member_that_is_missing_or_of_another_kind_is_named(
    run: Run, file: File, papers: Papers, keys: Path, name: str, value: Any
) -> None:
    document = {**papers.proof(), name: value}
    if value is None:
        del document[name]
    ended = run("verify", file("proof.json", document), "--keys", keys)
    _is_one_line(ended)
    assert name in ended.err


def test_a_hash_that_is_no_base64_is_said(run: Run, file: File, papers: Papers, keys: Path) -> None:
    ended = run("verify", file("proof.json", {**papers.proof(), "inclusionProof": ["?"]}), "--keys", keys)
    _is_one_line(ended)


def test_a_file_past_the_limit_is_not_read_to_its_end(run: Run, file: File, keys: Path) -> None:
    at_limit = file("at-limit", b" " * 4 * 1024 * 1024)
    ended = run("verify", at_limit, "--keys", keys)
    _is_one_line(ended)
    assert "larger" not in ended.err
    ended = run("verify", file("past-limit", b" " * (4 * 1024 * 1024 + 1)), "--keys", keys)
    _is_one_line(ended)
    assert "larger than 4 MiB" in ended.err


def test_a_file_that_is_missing_or_a_folder_is_said(
    run: Run, file: File, papers: Papers, tmp_path: Path
) -> None:
    receipt = file("receipt", papers.receipt)
    for arguments in ((tmp_path / "absent",), (tmp_path,), (receipt, "--keys", tmp_path / "absent")):
        ended = run("verify", *arguments)
        _is_one_line(ended)
        assert "cannot be read" in ended.err


def test_without_keys_nothing_is_verified(run: Run, file: File, papers: Papers) -> None:
    for content in (papers.receipt, papers.proof(), {"receipt": papers.receipt}):
        ended = run("verify", file("document", content))
        _is_one_line(ended)
        assert "--keys" in ended.err


@pytest.mark.parametrize(
    "change",
    [
        lambda key: {**key, "kty": "RSA"},
        lambda key: {**key, "crv": "Ed448"},
        lambda key: {**key, "x": "?"},
        lambda key: {**key, "x": key["x"][:-2]},
        lambda key: {**key, "x": 7},
        lambda key: {name: value for name, value in key.items() if name != "kid"},
        lambda key: {name: value for name, value in key.items() if name != "callward_document_type"},
        lambda key: [key],
    ],
)
def test_a_key_that_is_none_is_said(run: Run, file: File, papers: Papers, change: Any) -> None:
    keys = file("keys.json", {"keys": [change(papers.receipts.jwk())]})
    _is_one_line(run("verify", file("receipt", papers.receipt), "--keys", keys))


def test_a_key_set_that_is_none_is_said(run: Run, file: File, papers: Papers) -> None:
    contents: list[object] = [{}, {"keys": []}, {"keys": {}}, [], papers.receipt]
    for content in contents:
        _is_one_line(run("verify", file("receipt", papers.receipt), "--keys", file("keys.json", content)))


def test_a_proof_that_is_none_is_said(run: Run, file: File, papers: Papers, keys: Path) -> None:
    receipt = file("receipt", papers.receipt)
    contents: list[object] = [papers.receipt, papers.consistency(), {}]
    for content in contents:
        _is_one_line(run("verify", receipt, "--proof", file("proof", content), "--keys", keys))


@pytest.mark.parametrize(
    "event",
    [
        '{"metadata":{"uid":"x"},"unmapped":{"callward":[]}}',
        '{"metadata":[],"unmapped":{"callward":{}}}',
        "[" * 50_000,
        "7",
    ],
    ids=lambda event: event[:40],
)
def test_a_hostile_event_in_a_signed_proof_does_not_verify_a_receipt(
    run: Run, file: File, papers: Papers, keys: Path, event: str
) -> None:
    proof = file("proof.json", papers.proof(event))
    ended = run("verify", file("receipt", papers.receipt), "--proof", proof, "--keys", keys, "--json")
    assert (ended.code, ended.err) == (1, "")
    assert json.loads(ended.out)["good"] is False


def test_an_event_that_is_no_unicode_is_not_the_leaf(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    document = json.dumps({**papers.proof(), "event": "\ud800"})
    ended = run("verify", file("proof.json", document), "--keys", keys, "--json")
    assert (ended.code, ended.err) == (1, "")


def test_a_signed_payload_that_is_no_object_is_no_receipt(
    run: Run, file: File, papers: Papers, keys: Path
) -> None:
    proof = file("proof.json", papers.proof())
    for payload in (b"[]", b"7", b"null", b"not JSON", b"\xff"):
        token = papers.receipts.jws(RECEIPT_TYP, payload)
        ended = run("verify", file("receipt", token), "--proof", proof, "--keys", keys, "--json")
        assert (ended.code, ended.err) == (1, "")


@pytest.mark.parametrize("origin", ["[/red]", "[bold]log[/]", "a\x1b[2Jb"])
def test_texts_of_a_file_are_shown_as_they_are_and_steer_no_terminal(
    run: Run, file: File, origin: str
) -> None:
    papers = Papers(origin=origin)
    document = {**papers.proof(), "keys": papers.keys}
    ended = run("verify", file("proof.json", document))
    assert ended.code in (0, 1, 2), ended.err
    assert "\x1b" not in ended.out + ended.err
    if ended.code == 0:
        assert origin in ended.out


def test_debug_shows_where_an_error_came_from(run: Run, tmp_path: Path) -> None:
    from callward_cli.exits import CommandError

    with pytest.raises(CommandError, match="cannot be read"):
        run("--debug", "verify", tmp_path / "absent")


def test_an_unknown_command_or_option_is_usage(run: Run) -> None:
    for arguments in (("nonsense",), ("verify",), ("verify", "--nonsense"), ("demo", "--json")):
        ended = run(*arguments)
        assert ended.code == 2
        assert "Traceback" not in ended.out + ended.err
