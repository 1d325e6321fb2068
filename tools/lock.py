"""Writes uv.lock and, for people who have only pip, its hash-pinned exports.

`--check` exits 1 when the lock does not fit pyproject.toml or an export does not fit the lock. `--upgrade` takes
the newest versions that pyproject.toml allows instead of keeping what the lock has.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"
HEADER = "# Exported from uv.lock by `make lock`; never edited.\n"
EXPORTS = {
    "requirements.lock": ["--no-default-groups"],
    "requirements-dev.lock": ["--all-extras", "--all-groups"],
}


def uv(*arguments: str) -> str:
    """Run uv in the repository and return what it printed; raises CalledProcessError when it fails."""
    return subprocess.run([UV, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def export(options: list[str]) -> str:
    """Return the text of one export."""
    return HEADER + uv("export", "--quiet", "--frozen", "--no-emit-project", "--no-header", *options)


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    options = parser.parse_args()
    mode = ["--check"] if options.check else ["--upgrade"] if options.upgrade else []
    try:
        uv("lock", *mode)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    stale = [
        name for name, arguments in EXPORTS.items() if not _settle(name, export(arguments), options.check)
    ]
    for name in stale:
        print(f"{name} differs from uv.lock: run `make lock`", file=sys.stderr)
    return 1 if stale else 0


def _settle(name: str, text: str, check: bool) -> bool:
    """Write one export, or compare with it; False only when they differ."""
    target = ROOT / name
    if check:
        return target.exists() and target.read_text(encoding="utf-8") == text
    target.write_text(text, encoding="utf-8")
    return True


if __name__ == "__main__":
    raise SystemExit(main())
