"""Writes the generated parts of docs/: the topology's diagram, events, their fields, and settings.

Run as `python -m tools.generate_docs`. `--check` compares instead and exits 1 on a difference. A part stands between
`<!-- generated: NAME -->` and `<!-- end: NAME -->`; the text around it is written by hand.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from tools import docs_events, docs_settings, topology_diagram

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def _topology() -> str:
    text = (ROOT / "deploy" / "topology.yaml").read_text(encoding="utf-8")
    return topology_diagram.render(yaml.safe_load(text))


#: Document → name of the part → what renders it.
PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "architecture.md": {"topology": _topology},
    "events.md": {"events": docs_events.events},
    "data-classification.md": {"fields": docs_events.fields},
    "settings.md": {"settings": docs_settings.settings},
}


def written(document: str, text: str) -> str:
    """Return the document's text with its generated parts made anew. Raises ValueError where a marker is missing."""
    for name, render in PARTS[document].items():
        start, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = text.partition(start)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"docs/{document} has no part {name}")
        text = f"{before}{start}\n{render()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    stale = []
    for document in PARTS:
        path = DOCS / document
        text = path.read_text(encoding="utf-8")
        fresh = written(document, text)
        if fresh == text:
            continue
        stale.append(document)
        if not check:
            path.write_text(fresh, encoding="utf-8")
    if check and stale:
        print(
            f"generated parts are stale in {', '.join(stale)}: run `python -m tools.generate_docs`",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
