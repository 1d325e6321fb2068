"""What the threat model says cannot be done is shown by tests that exist."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.documents import ROOT, read

DOCUMENT = "docs/threat-model.md"
PARTS = (
    "consent",
    "ingest",
    "key-management",
    "access-gateway",
    "audit",
    "retention",
    "The database",
    "The object store",
    "The event bus",
    "An operator",
    "A tenant's issuer",
)
_REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_LOOSE = re.compile(r"`tests/[^`]*`")


def missing(text: str) -> Iterator[str]:
    """Yield the references to tests that do not exist."""
    for file, name in _REFERENCE.findall(text):
        path = ROOT / file
        if not path.is_file() or name not in _tests_of(path.read_text(encoding="utf-8")):
            yield f"{file}::{name}"


def _tests_of(source: str) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def _section(title: str) -> str:
    _, found, rest = read(DOCUMENT).partition(f"\n### {title}\n")
    assert found, title
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_every_named_test_exists() -> None:
    assert list(missing(read(DOCUMENT))) == []


def test_a_test_that_does_not_exist_is_found() -> None:
    text = "`tests/docs/test_threat_model.py::test_nothing` `tests/nowhere.py::test_a`"
    assert list(missing(text)) == [
        "tests/docs/test_threat_model.py::test_nothing",
        "tests/nowhere.py::test_a",
    ]
    assert list(missing("`tests/docs/test_threat_model.py::test_every_named_test_exists`")) == []


def test_references_have_their_form() -> None:
    loose = [found for found in _LOOSE.findall(read(DOCUMENT)) if not _REFERENCE.fullmatch(found)]
    assert loose == ["`tests/…::test_…`"]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_says_what_it_can_and_cannot_do_and_what_shows_it(part: str) -> None:
    section = _section(part)
    assert "**Can**" in section or "**can**" in section
    assert "**Cannot**" in section
    assert _REFERENCE.search(section)


def test_every_threat_at_a_boundary_has_its_test() -> None:
    before, _, _ = read(DOCUMENT).partition("## If a part is taken over")
    threats = [line for line in before.splitlines() if re.match(r"\| [STRIDE] \|", line)]
    assert len(threats) > 20
    assert [line for line in threats if not _REFERENCE.search(line)] == []


def test_what_is_feared_most_is_said_plainly() -> None:
    assert "key-management taken over is every living key" in _section("key-management")
    assert "ingest taken over is what is being uploaded now" in _section("ingest")
