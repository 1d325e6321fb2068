"""Finds what no file of the repository may hold: package registries' hosts and paths of one machine."""

import re
from collections.abc import Iterator
from pathlib import Path

# Written so that this file does not hold them itself.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"),
    )
]
MACHINE_PATHS = ["/" + folder + "/" for folder in ("root", "work")]
HOME = r"/(?:home|Users)/(?!linuxbrew/)[A-Za-z0-9_.-]+/"
FORBIDDEN = re.compile(
    "|".join([*(rf"(?<![\w.-]){re.escape(host)}" for host in REGISTRIES)])
    + "|"
    + rf"(?<![\w.$)}}>*:-])(?:{'|'.join(re.escape(path) for path in MACHINE_PATHS)}|{HOME})"
)


def forbidden_words(path: Path) -> Iterator[str]:
    """Yield `path:line word` for each; nothing for a file that is not text."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        for match in FORBIDDEN.finditer(line):
            yield f"{path}:{number} {match.group()}"
