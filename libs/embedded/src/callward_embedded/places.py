"""Where the embedded platform keeps its data, and who may reach it there."""

import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callward_embedded.errors import PlaceUnusable

#: Where root keeps the data: its home is closed to the user that PostgreSQL runs as.
ROOT_DATA = Path("/var/lib/callward")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that PostgreSQL runs as. `switch` tells whether that is another one than ours."""

    uid: int
    gid: int
    name: str
    switch: bool


def database_account() -> Account:
    """Returns our own account, or an existing unprivileged one when we are root: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), _name_of(os.geteuid()), switch=False)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name, switch=True)
    raise PlaceUnusable(
        "As root, PostgreSQL needs an unprivileged user: there is neither postgres nor nobody here."
    )


def default_data_root(environment: Mapping[str, str]) -> Path:
    """Returns where data are kept when nothing else is said: below XDG_DATA_HOME, or in /var/lib as root."""
    if os.geteuid() == 0:
        return ROOT_DATA
    home = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "callward"


def open_folder(path: Path, account: Account) -> Path:
    """Makes a folder of ours that `account` may pass through, and returns it resolved. Raises PlaceUnusable."""
    path = path.resolve()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o711 if account.switch else 0o700)
    except OSError as error:
        raise PlaceUnusable(f"The folder {path} cannot be made: {error.strerror}.") from None
    if path.stat().st_uid != os.geteuid():
        raise PlaceUnusable(f"The folder {path} belongs to another user than the one that runs Callward.")
    closed = next((parent for parent in (path, *path.parents) if not _may_pass(parent, account)), None)
    if closed is not None:
        raise PlaceUnusable(
            f"PostgreSQL runs as the user {account.name}, who may not pass through {closed}. "
            f"Choose a data folder elsewhere, for example {ROOT_DATA}."
        )
    return path


def _may_pass(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def owned_folder(path: Path, account: Account) -> Path:
    """Makes a folder that belongs to `account` alone, and returns it."""
    path.mkdir(exist_ok=True, mode=0o700)
    if account.switch:
        os.chown(path, account.uid, account.gid)
    return path


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
