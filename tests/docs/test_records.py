"""The changelog knows the current version; decisions have their form; the files that a repository owes exist."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, links, read

ADR = ROOT / "docs" / "adr"
HEADINGS = ["Context", "Decision", "Consequences", "Security", "Privacy", "Audit"]
DECISIONS = sorted(ADR.glob("[0-9]*.md"))


def _headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def test_the_changelog_has_the_current_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    headings = _headings(read("CHANGELOG.md"))
    assert headings[0] == "[Unreleased]"
    assert any(
        re.fullmatch(rf"\[{re.escape(version)}\] - (Unreleased|\d{{4}}-\d\d-\d\d)", each) for each in headings
    )


def test_the_template_has_the_headings() -> None:
    assert _headings(read("docs/adr/template.md")) == HEADINGS


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    number = int(path.name[:4])
    assert re.match(
        rf"# {number}\. \S.+\n\nDate: \d{{4}}-\d\d-\d\d · Status: (Proposed|Accepted|Superseded by \d+)\n",
        text,
    )
    assert _headings(text) == HEADINGS
    for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) > 5
    assert len(text.splitlines()) <= 70


def test_decisions_are_numbered_and_listed() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert {path.name for path in DECISIONS} <= set(links(read("docs/adr/README.md")))


def test_security_says_how_to_report_without_an_address() -> None:
    text = read("SECURITY.md")
    assert "private security advisory" in text
    assert "@" not in text
