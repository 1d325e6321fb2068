"""The README's commands are run as written, and what it quotes is what they print."""

import re
import sys

import pytest

from tests.docs.documents import ROOT, blocks, links, read, rows, run, words

README = "README.md"
SERVICES = ("consent", "ingest", "key-management", "access-gateway", "audit", "retention")
TIERS = ("unit", "contract", "integration", "e2e", "architecture", "docs")
_COMMAND = (sys.executable, "-c", "from callward_cli.main import main; main()")
_SECONDS = re.compile(r" \(\d+\.\d\d s\)$")


def _commands() -> list[str]:
    return [line for block in blocks(read(README), "sh") for line in block.splitlines() if line]


def _excerpt_with(start: str) -> list[str]:
    (found,) = (block for block in blocks(read(README), "text") if block.startswith(start))
    return found.splitlines()


def test_there_are_two_commands() -> None:
    assert _commands() == ["make demo", "make test"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_runs_as_written_and_prints_what_is_quoted() -> None:
    # A stale environment would be made anew underneath these tests.
    fresh = run("make", "--question", ".venv/.callward-setup")
    assert fresh.returncode == 0, "run `make setup` first"
    ended = run(*_commands()[0].split(), timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    printed = [_SECONDS.sub("", line) for line in ended.stdout.splitlines()]
    quoted = _excerpt_with("✓")
    place = printed.index(quoted[0])
    assert printed[place : place + len(quoted)] == quoted
    assert printed[-1].startswith("Every step as promised (")


def test_make_test_runs_every_tier() -> None:
    # Not run here: it would run these tests.
    planned = run("make", "--dry-run", "test")
    assert planned.returncode == 0, planned.stderr
    assert f"for tier in {' '.join(TIERS)}; do" in planned.stdout
    assert [tier for tier in TIERS if not (ROOT / "tests" / tier).is_dir()] == []


def test_make_help_lists_what_documents_name() -> None:
    listed = run("make", "help")
    assert listed.returncode == 0
    known = set(re.findall(r"^  (?:\x1b\[1m)?([a-z-]+)", listed.stdout, re.MULTILINE))
    texts = read(README) + read("CONTRIBUTING.md")
    named = set(re.findall(r"`make ([a-z-]+)", texts)) | {command.split()[1] for command in _commands()}
    assert named <= known
    assert {"setup", "demo", "dev", "test", "check", "format", "proto", "topology", "lock"} <= known


def test_the_help_is_what_is_quoted() -> None:
    shown = run(*_COMMAND, "--help")
    assert shown.returncode == 0
    for line in _excerpt_with("dev "):
        assert words(line) in words(shown.stdout)


def test_every_service_has_its_reason_and_its_place() -> None:
    cells = {row[0]: row for row in rows(read(README)) if len(row) == 3}
    for service in SERVICES:
        row = cells[f"[{service}](services/{service})"]
        assert all(len(cell) > 10 for cell in row[1:])


def test_the_map_leads_somewhere() -> None:
    named = [
        path
        for row in rows(read(README))
        for path in re.findall(r"`((?:services|proto|deploy|docs|tools)/[^`…]+)`", row[1])
    ]
    assert named
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []
    for part in blocks(read(README), "text")[-1].splitlines():
        assert (ROOT / part.split()[0]).is_dir(), part


def test_it_is_short_and_says_what_it_is_not() -> None:
    text = read(README)
    assert len(text.splitlines()) <= 150
    assert "not legal\nadvice" in text or "not legal advice" in text
    assert "docs/threat-model.md" in links(text)
