"""Writes libs/protos/src from proto/: messages, gRPC stubs and their types.

`--check` generates into a temporary folder, compares, and exits 1 on a difference.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "proto"
TARGET = ROOT / "libs" / "protos" / "src"
PACKAGE = "callward"
MARKERS = {
    "__init__.py": '"""Generated from proto/ by `make proto`; never edited."""\n',
    "py.typed": "",
}


def generate(target: Path) -> None:
    """Generate everything into `target`, which need not exist; raises CalledProcessError when protoc refuses."""
    target.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.proto"))
    kinds = {"python": "", "grpc_python": "", "mypy": "quiet:", "mypy_grpc": "quiet:"}
    outputs = [f"--{kind}_out={options}{target}" for kind, options in kinds.items()]
    plugins = Path(sys.executable).parent
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--proto_path={SOURCE}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            *outputs,
            *sources,
        ],
        check=True,
    )
    _mark_packages(target / PACKAGE)


def _mark_packages(package: Path) -> None:
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text(MARKERS["__init__.py"], encoding="utf-8")
    (package / "py.typed").write_text(MARKERS["py.typed"], encoding="utf-8")


def differences(fresh: Path, committed: Path) -> list[str]:
    """Return one line for each file that is missing, left over or different in `committed`."""
    made, kept = (
        {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        for base in (fresh, committed)
    )
    changed = {name for name in made & kept if not filecmp.cmp(fresh / name, committed / name, shallow=False)}
    lines = [(name, "missing") for name in made - kept]
    lines += [(name, "no longer generated") for name in kept - made]
    lines += [(name, "differs") for name in changed]
    return [f"{name}: {what}" for name, what in sorted(lines)]


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        found = differences(fresh / PACKAGE, TARGET / PACKAGE)
        if not check:
            _replace(fresh / PACKAGE, TARGET / PACKAGE)
    for line in found:
        print(f"{PACKAGE}/{line}" if check else f"updated {PACKAGE}/{line}")
    if check and found:
        print("generated code differs from proto/: run `make proto`", file=sys.stderr)
    return 1 if check and found else 0


def _replace(fresh: Path, committed: Path) -> None:
    """Bring `committed` to `fresh` file by file, so that a running process never sees a package missing."""
    shutil.copytree(fresh, committed, dirs_exist_ok=True)
    for path in committed.rglob("*"):
        if path.is_file() and path.suffix != ".pyc" and not (fresh / path.relative_to(committed)).exists():
            path.unlink()


if __name__ == "__main__":
    raise SystemExit(main())
