"""docs/conformance names the test of every requirement, and every numbered test is named there."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, links, read, rows

TESTS = ROOT / "tests" / "e2e" / "uploads"
TABLES = {"R": "docs/conformance/resumable-upload.md", "T": "docs/conformance/tus.md"}
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "RECOMMENDED", "MAY"}
NONE = "–"


def numbered(source: str) -> Iterator[tuple[str, str]]:
    """Yield each number that a test shows, with the test's name: `@shows("R-1")` above `def test_…`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "shows":
                    for argument in mark.args:
                        assert isinstance(argument, ast.Constant), node.name
                        yield str(argument.value), node.name


def _shown() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for number, name in numbered(path.read_text(encoding="utf-8")):
            found.setdefault(number, set()).add(name)
    return found


def _table(letter: str) -> list[list[str]]:
    return [row for row in rows(read(TABLES[letter])) if row[0].startswith(f"{letter}-")]


def _named(cell: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", cell))


@pytest.mark.parametrize("letter", TABLES)
def test_rows_are_whole_and_numbered_without_a_gap(letter: str) -> None:
    table = _table(letter)
    assert [row[0] for row in table] == [f"{letter}-{number}" for number in range(1, len(table) + 1)]
    assert len(table) > 50
    for number, section, level, requirement, tests, kept in table:
        assert section, number
        assert level in LEVELS, number
        assert requirement.endswith("."), number
        assert kept == "kept" or re.match(r"(not kept|not applicable): \S.*\.$", kept), number
        assert _named(tests) or (tests == NONE and kept != "kept"), number


@pytest.mark.parametrize("letter", TABLES)
def test_rows_and_tests_agree(letter: str) -> None:
    table = {row[0]: _named(row[4]) for row in _table(letter)}
    shown = {number: names for number, names in _shown().items() if number.startswith(f"{letter}-")}
    assert shown
    assert {number: names for number, names in table.items() if names} == shown


def test_every_number_is_of_a_table() -> None:
    assert {number.partition("-")[0] for number in _shown()} == set(TABLES)


def test_a_must_that_is_not_kept_says_so_at_the_top() -> None:
    for letter, name in TABLES.items():
        broken = [
            row[0] for row in _table(letter) if row[2].startswith("MUST") and row[5].startswith("not kept")
        ]
        introduction = read(name).partition("\n| ")[0]
        assert [number for number in broken if number not in introduction] == []


def test_the_tables_are_reached() -> None:
    assert {Path(name).name for name in TABLES.values()} <= set(links(read("docs/conformance/README.md")))


def test_a_planted_number_is_found() -> None:
    source = '@pytest.mark.slow\n@shows("R-1", "T-2")\ndef test_x():\n    pass\n\n\ndef test_y():\n    pass\n'
    assert list(numbered(source)) == [("R-1", "test_x"), ("T-2", "test_x")]
