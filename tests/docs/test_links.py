"""Links between documents lead to what exists."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.documents import ROOT, anchors, documents, links


def broken(path: Path, text: str) -> Iterator[str]:
    """Yield the links of a document at `path` that lead nowhere. Addresses of other sites are not followed."""
    for target in links(text):
        parts = urlsplit(target)
        if parts.scheme:
            if parts.scheme != "https":
                yield target
            continue
        file = (path.parent / parts.path).resolve() if parts.path else path
        if not (file.is_relative_to(ROOT) and file.exists()):
            yield target
            continue
        there = text if file == path or not file.is_file() else file.read_text(encoding="utf-8")
        if parts.fragment and parts.fragment not in anchors(there):
            yield target


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path: Path) -> None:
    assert list(broken(path, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "planted",
    [
        "[a](docs/nowhere.md)",
        "[a](#nothing)",
        "[a](docs/errors.md#nothing)",
        "[a](../../x)",
        "[a](http://a.test)",
    ],
)
def test_a_planted_link_is_found(planted: str) -> None:
    assert len(list(broken(ROOT / "README.md", f"# Title\n\n{planted}\n"))) == 1


def test_what_resolves_passes() -> None:
    text = "# A title\n\n[a](#a-title) [b](docs/errors.md#at-every-door) [c](https://example.org/x)\n"
    assert list(broken(ROOT / "README.md", text)) == []


def test_every_document_of_docs_is_reached_from_the_readme() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md":
            if path.is_dir() and (path / "README.md").exists():
                waiting.append(path / "README.md")
            continue
        seen.add(path)
        for target in links(path.read_text(encoding="utf-8")):
            parts = urlsplit(target)
            if not parts.scheme and parts.path:
                waiting.append((path.parent / parts.path).resolve())
    missed = {path for path in documents() if path.is_relative_to(ROOT / "docs")} - seen
    assert sorted(str(path.relative_to(ROOT)) for path in missed) == []
