"""Settings of the commands that speak to a platform: command line, then environment, then a file, then defaults."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from callward_cli.exits import CommandError, Exit

PREFIX: Final = "CALLWARD_"
#: Where `callward dev` opens the door for call platforms.
DEFAULT_SERVER: Final = "http://127.0.0.1:8401"
MAX_PARALLEL: Final = 16
MAX_CONFIG_FILE: Final = 64 * 1024
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", re.ASCII)
#: Settings that hold a secret: of the environment only, never of a command line, which `ps` shows to everybody.
SECRETS: Final = ("token", "client_secret")
#: What says how to sign in. The first of command line, environment and file that names one of a way decides the way.
WAYS: Final = {"demo": "demo", "token_file": "token", "token": "token", "client_id": "client"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the commands `upload` and `status` are told. Secrets are not shown by `repr`."""

    server: str = DEFAULT_SERVER
    audience: str = "callward-ingest"
    demo: str | None = None
    data_dir: Path | None = None
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    issuer: str | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    client_secret: str | None = field(default=None, repr=False)
    keys: Path | None = None
    parallel: int = 2
    retry_for: float = 3600.0


NAMES: Final = tuple(each.name for each in fields(Settings))


def config_file(environment: Mapping[str, str]) -> Path:
    """Return where the file of settings is, by the XDG Base Directory Specification."""
    return xdg_folder(environment, "XDG_CONFIG_HOME", ".config") / "callward" / "config.toml"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where unfinished uploads are remembered, by the XDG Base Directory Specification."""
    return xdg_folder(environment, "XDG_STATE_HOME", ".local/state") / "callward" / "uploads"


def xdg_folder(environment: Mapping[str, str], variable: str, default: str) -> Path:
    """Return a base folder; what is not absolute counts for nothing, as the specification wants it."""
    named = Path(environment.get(variable) or ".")
    return named if named.is_absolute() else _home(environment) / default


def load(given: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings. `given`: those of the command line, None where not given. Raises CommandError."""
    levels = (
        {name: value for name, value in given.items() if value is not None},
        _of_environment(environment),
        _of_file(config_file(environment)),
    )
    chosen: dict[str, Any] = {}
    for level in reversed(levels):
        chosen |= level
    way = next((way for level in levels if (way := _way(level))), None)
    for name, leads_to in WAYS.items():
        if way is not None and leads_to != way:
            chosen.pop(name, None)
    if "token_file" in levels[0]:
        chosen.pop("token", None)
    return Settings(**chosen)


def signs_in(settings: Settings) -> bool:
    """Tell whether the settings name a way to sign in."""
    return any(getattr(settings, name) is not None for name in WAYS)


def duration(text: str) -> float:
    """Return seconds: a number with s, m, h or d, for example 90s or 1.5h; 0 is 0. Raises CommandError."""
    found = _DURATION.fullmatch(text.strip())
    if text.strip() == "0":
        return 0.0
    if found is None:
        raise CommandError(f"{text!r} is no duration; write for example 90s, 30m or 1h", Exit.usage)
    return float(found[1]) * _UNITS[found[2]]


def _home(environment: Mapping[str, str]) -> Path:
    named = environment.get("HOME")
    return Path(named) if named else Path.home()


def _way(level: Mapping[str, Any]) -> str | None:
    named = {WAYS[name] for name in level if name in WAYS}
    if len(named) > 1:
        raise CommandError(
            "two ways to sign in are given at once: choose a token, client credentials or --demo", Exit.usage
        )
    return named.pop() if named else None


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {name: environment.get(PREFIX + name.upper()) for name in NAMES}
    return {
        name: _typed(name, text, f"the variable {PREFIX}{name.upper()}")
        for name, text in found.items()
        if text
    }


def _of_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CONFIG_FILE + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.usage) from error
    try:
        if len(raw) > MAX_CONFIG_FILE:
            raise ValueError("it is too large")
        document = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no TOML that can be read: {error}", Exit.usage) from error
    for name in document:
        if name in SECRETS:
            raise CommandError(f"{path} holds {name}: name a file of its own with {name}_file", Exit.usage)
        if name not in NAMES:
            raise CommandError(f"{path} holds {name}, which is no setting", Exit.usage)
    return {name: _typed(name, value, f"{name} in {path}") for name, value in document.items()}


def _typed(name: str, value: Any, what: str) -> Any:
    if name == "parallel":
        return _parallel(value, what)
    if not isinstance(value, str):
        raise CommandError(f"{what} is not a text", Exit.usage)
    if name == "retry_for":
        return duration(value)
    if name in {"data_dir", "token_file", "client_secret_file", "keys"}:
        return Path(os.path.expanduser(value))  # noqa: PTH111  # Path.expanduser raises where there is no home
    return value


def _parallel(value: Any, what: str) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PARALLEL:
        raise CommandError(f"{what} is not a number from 1 to {MAX_PARALLEL}", Exit.usage)
    return int(text)
