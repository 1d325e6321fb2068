"""Finds code that asks the machine for the time instead of being told."""

import ast
from collections.abc import Iterator
from pathlib import Path

BANNED = {
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.gmtime",
    "time.localtime",
}


def clock_reads(path: Path) -> Iterator[str]:
    """Yield `path:line name` for each use, called or passed on, of a banned name; aliases are followed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = dict(_aliases(tree))
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)]
    for node in sorted(uses, key=lambda node: (node.lineno, node.col_offset)):
        if (full := _full_name(node, names)) in BANNED:
            yield f"{path}:{node.lineno} {full}"


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (base := _full_name(node.value, names)):
        return f"{base}.{node.attr}"
    return ""
