"""Most files are short, none is long, and the shared library stays small."""

from pathlib import Path

from tests.architecture.sizes import MAX_FILE, MAX_FUNCTION, code_lines, too_long_files, too_long_functions
from tests.architecture.source import (
    PACKAGES,
    SERVICES,
    assert_none,
    is_generated,
    modules,
    modules_under,
    tracked,
)

COMMON_CEILING = 3_000
MAX_MAIN = 40


def test_no_file_is_long() -> None:
    assert_none(too_long_files(path for path in tracked() if not is_generated(path)))


def test_no_function_is_long() -> None:
    paths = [path for path in tracked() if path.suffix == ".py" and not is_generated(path)]
    assert len(paths) > len(PACKAGES)
    assert_none(found for path in paths for found in too_long_functions(path))


def test_common_stays_under_its_ceiling() -> None:
    # What a docstring promises costs nothing to keep: docs/adr/0004 says what counts.
    paths = [module.path for module in modules_under(PACKAGES["callward_common"])]
    assert 0 < sum(code_lines(path.read_text(encoding="utf-8")) for path in paths) <= COMMON_CEILING


def test_only_code_counts() -> None:
    text = '"""A module.\n\nOf two paragraphs."""\n\n# why\nX = """a\nb"""\n\n\ndef f():\n    """Promise."""\n    return X\n'
    assert code_lines(text) == 4


def test_mains_only_wire() -> None:
    mains = [module for module in modules() if module.package in SERVICES and module.part == "main"]
    assert_none(too_long_files((module.path for module in mains), MAX_MAIN))


def test_a_planted_long_file_is_found(tmp_path: Path) -> None:
    fits, long, data = tmp_path / "fits.py", tmp_path / "long.py", tmp_path / "rows.csv"
    fits.write_text("x = 1\n" * MAX_FILE)
    long.write_text("x = 1\n" * (MAX_FILE + 1))
    data.write_text("1\n" * (MAX_FILE + 1))
    assert list(too_long_files([fits, long, data])) == [f"{long}: {MAX_FILE + 1} lines"]


def test_a_planted_long_function_is_found(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    fits = "def fits():\n" + "    x = 1\n" * (MAX_FUNCTION - 1)
    long = "class C:\n    async def long(self):\n" + "        x = 1\n" * MAX_FUNCTION
    path.write_text(fits + long)
    assert list(too_long_functions(path)) == [f"{path}:{MAX_FUNCTION + 2} long: {MAX_FUNCTION + 1} lines"]


def test_inner_functions_are_measured_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "functions.py"
    inner = "    @deco\n    def inner():\n" + "        x = 1\n" * (MAX_FUNCTION - 1)
    path.write_text("def outer():\n" + inner + "    return inner\n")
    assert list(too_long_functions(path)) == []
    path.write_text("def outer():\n" + inner + "    x = 1\n" * MAX_FUNCTION)
    assert list(too_long_functions(path)) == [f"{path}:1 outer: {MAX_FUNCTION + 1} lines"]
