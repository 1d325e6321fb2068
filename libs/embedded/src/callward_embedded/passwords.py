"""Passwords that are made once and kept in a file of their owner's alone."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from callward_embedded.files import write_durably


def _new_password() -> str:
    return secrets.token_urlsafe(24)


class PasswordFile:
    """Names and passwords in a JSON file with mode 0600."""

    def __init__(self, path: Path) -> None:
        """The file is read when the first password is asked for, and made when there is none."""
        self._path = path
        self._known: dict[str, str] | None = None

    def get(self, name: str, make: Callable[[], str] = _new_password) -> str:
        """Returns the password of `name`; a new one is durable before it is returned."""
        known = self._read()
        if name not in known:
            known[name] = make()
            write_durably(self._path, json.dumps(known, indent=1).encode())
        return known[name]

    def knows(self, name: str) -> bool:
        """Tells whether a password was made for `name`."""
        return name in self._read()

    def _read(self) -> dict[str, str]:
        if self._known is None:
            content = json.loads(self._path.read_bytes()) if self._path.exists() else {}
            self._known = {str(name): str(password) for name, password in content.items()}
        return self._known
