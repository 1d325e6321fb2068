"""Signing in at `callward dev` on this machine: its demo accounts, read from its data folder.

What is read here is written by callward_embedded (accounts.json, ports.json), which this command never loads.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callward_cli.config import xdg_folder
from callward_cli.exits import CommandError, Exit

#: The demo's machine that posts calls and recordings.
CLIENT: Final = "call-platform"
ROOT_DATA: Final = Path("/var/lib/callward")


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """Client credentials of a demo tenant, and where its issuer is."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)


def data_folder(given: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the data folder of `callward dev`: the one given, the one that is named, else the default one."""
    named = environment.get("CALLWARD_DATA_DIR")
    if given is not None or named:
        return given or Path(str(named))
    if os.geteuid() == 0:
        return ROOT_DATA
    return xdg_folder(environment, "XDG_DATA_HOME", ".local/share") / "callward"


def demo_login(tenant: str, folder: Path) -> DemoLogin:
    """Return how to sign in for a demo tenant. Raises CommandError where there is no such platform or tenant."""
    accounts = _read(folder / "issuer" / "accounts.json", folder)
    port = _read(folder / "ports.json", folder).get("issuer")
    secret = accounts.get(f"{tenant}/machines/{CLIENT}")
    if not isinstance(secret, str) or not isinstance(port, int):
        known = ", ".join(demo_tenants(folder)) or "none"
        raise CommandError(f"{folder} knows no demo tenant {tenant}; it knows {known}", Exit.usage)
    return DemoLogin(f"http://127.0.0.1:{port}/issuers/{tenant}/machines", CLIENT, secret)


def demo_tenants(folder: Path) -> list[str]:
    """Return the demo tenants of a data folder. Raises CommandError where there is no platform's."""
    accounts = _read(folder / "issuer" / "accounts.json", folder)
    ending = f"/machines/{CLIENT}"
    return sorted(name.removesuffix(ending) for name in accounts if name.endswith(ending))


def _read(path: Path, folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CommandError(
            f"{folder} holds no platform: start `callward dev`, or say where it is with --data-dir",
            Exit.usage,
        ) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.usage) from error
    except ValueError as error:
        raise CommandError(f"{path} is damaged", Exit.usage) from error
    if not isinstance(document, dict):
        raise CommandError(f"{path} is damaged", Exit.usage)
    return document
