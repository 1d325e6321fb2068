"""Measures files and functions."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

SOURCE_SUFFIXES = {".py", ".pyi", ".proto", ".sql", ".sh", ".js", ".ts", ".css", ".html", ".cedar"}
MAX_FILE = 400
MAX_FUNCTION = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def code_lines(text: str) -> int:
    """Count the lines that hold code: no blank line, no comment, no docstring."""
    docstrings = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | Function)
        and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return sum(1 for number, line in lines if line and not line.startswith("#") and number not in docstrings)


def too_long_files(paths: Iterable[Path], limit: int = MAX_FILE) -> Iterator[str]:
    """Yield `path: lines` for each source file over the limit."""
    for path in paths:
        if path.suffix in SOURCE_SUFFIXES and (lines := line_count(path)) > limit:
            yield f"{path}: {lines} lines"


def too_long_functions(path: Path, limit: int = MAX_FUNCTION) -> Iterator[str]:
    """Yield `path:line name: lines` for each function over the limit, its docstring included.

    A function inside another, a route in its router for one, is measured by itself and not with the outer one.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            lines = _end(node) - node.lineno + 1 - sum(_whole(inner) for inner in _inner(node))
            if lines > limit:
                yield f"{path}:{node.lineno} {node.name}: {lines} lines"


def _inner(node: ast.AST) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child
        else:
            yield from _inner(child)


def _whole(function: Function) -> int:
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    return _end(function) - first + 1


def _end(function: Function) -> int:
    return function.end_lineno or function.lineno
