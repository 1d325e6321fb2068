"""Reads the documents of the repository: their files, links, fenced blocks and tables."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: Folders that hold no document of ours.
_FOREIGN = {".venv", ".git", ".hypothesis", ".pytest_cache", "node_modules"}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
#: What a `make` above these tests hands down and its own command line would not have.
_OF_MAKE = {
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "TIERS",
    "PYTEST_ARGS",
    "WORKERS",
    "PYTHON",
}


def documents() -> list[Path]:
    return sorted(
        path for path in ROOT.rglob("*.md") if not _FOREIGN.intersection(path.relative_to(ROOT).parts)
    )


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(text) if found == language]


def links(text: str) -> list[str]:
    return [str(target) for target in _LINK.findall(_FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    """Give the anchors of a document's headings, as repositories' web pages make them."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of all tables, heads and rules left out."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not set(line) <= set("|-: ") and not _is_rule(following):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _is_rule(line: str) -> bool:
    return line.startswith("|") and set(line) <= set("|-: ")


def words(text: str) -> str:
    """Give a text without the boxes and the widths of a terminal."""
    return " ".join(re.sub(r"[─│╭╮╰╯]", " ", text).split())


def environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    return {**inherited, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "400", **more}


def run(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )
