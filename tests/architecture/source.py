"""Reads the repository's own files; shared by the architecture tests."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "libs" / "protos" / "src" / "callward"
SERVICES = {
    "callward_consent": "consent",
    "callward_ingest": "ingest",
    "callward_keys": "key-management",
    "callward_access": "access-gateway",
    "callward_audit": "audit",
    "callward_retention": "retention",
}
LIBRARIES = {
    "callward_common": "common",
    "callward_crypto": "crypto",
    "callward_embedded": "embedded",
    "callward_cli": "cli",
}
PACKAGES = {
    **{name: ROOT / "libs" / folder / "src" / name for name, folder in LIBRARIES.items()},
    **{name: ROOT / "services" / folder / "src" / name for name, folder in SERVICES.items()},
}


@dataclass(frozen=True)
class Module:
    """One Python file of a package, by the name it is imported under."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """What stands below the package: `app` for callward_ingest.app.uploads, "" for the package itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))


def modules_under(package: Path) -> Iterator[Module]:
    """Yield every module of the package that lies in the folder `package`."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        yield Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)


@cache
def modules() -> tuple[Module, ...]:
    """Every module of every package that is written by hand."""
    return tuple(module for package in PACKAGES.values() for module in modules_under(package))


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = (ROOT / name for name in listing.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def is_generated(path: Path) -> bool:
    """True for what `make proto` writes."""
    return path.is_relative_to(GENERATED)


def assert_none(found: Iterable[str]) -> None:
    """Fail with every line of `found`, one below the other."""
    lines = [line.replace(f"{ROOT}/", "") for line in found]
    assert not lines, "\n" + "\n".join(lines)
