"""The files of the local key ring: one per key, encrypted with the ring's file key, replaced in one step.

Durability and its limit: a change is durable on return, and after a crash a file is the old one or the new one. What
was trimmed or deleted is in no file of the ring any more; a journal, a copy-on-write or log-structured file system,
the flash below it, snapshots and backups may keep old blocks. They hold ciphertext under the file key alone: whoever
wants certainty destroys that as well. Production has Vault or OpenBao for this reason.
"""

import base64
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callward_embedded.files import private_folder, sync_folder, write_durably

_MAGIC: Final = b"callward-key-ring/1\n"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_FILE_KEY: Final = "file.key"


class KeyKind(StrEnum):
    """What a key of the ring is for."""

    bucket = "aes256-gcm-derived"
    signing = "ed25519"
    hmac = "hmac-sha256"


class RingDamaged(Exception):
    """A file of the ring is not as it was written, or the file key is missing or readable by others."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key: its secret (32 bytes, never shown) and when it was made."""

    secret: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RingKey:
    """A key of the ring with the versions that are available."""

    name: str
    kind: KeyKind
    versions: Mapping[int, Version]
    latest: int
    min_available: int = 1
    min_decryption: int = 1
    min_encryption: int = 1

    def rotated(self, version: Version) -> "RingKey":
        """Gives the key with one more version."""
        latest = self.latest + 1
        return replace(self, versions={**self.versions, latest: version}, latest=latest)

    def trimmed(self, below: int) -> "RingKey":
        """Gives the key without the versions below `below`."""
        kept = {number: version for number, version in self.versions.items() if number >= below}
        return replace(self, versions=kept, min_available=below)


class KeyFiles:
    """Reads and replaces the files. Several processes may: changes are made under a lock, from what is on disk."""

    def __init__(self, folder: Path) -> None:
        """Touches nothing: the folder is made by the first change."""
        self._folder = folder
        self._lock = Lock()
        self._cache: dict[str, tuple[tuple[int, int, int], RingKey]] = {}
        self._cipher: AESGCM | None = None

    def load(self, name: str) -> RingKey | None:
        """Returns a key as it is on disk now, None when there is none. Raises RingDamaged, OSError."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                seen = (status.st_ino, status.st_mtime_ns, status.st_size)
                cached = self._cache.get(name)
                if cached is not None and cached[0] == seen:
                    return cached[1]
                content = file.read()
        except FileNotFoundError:
            self._cache.pop(name, None)
            return None
        key = _decode(self._open(name, content))
        self._cache[name] = (seen, key)
        return key

    def change(self, name: str, step: Callable[[RingKey | None], RingKey | None]) -> RingKey | None:
        """Replaces a key by what `step` makes of it, None removes it; the same key writes nothing. Returns it."""
        with self._exclusive():
            old = self.load(name)
            new = step(old)
            if new is old:
                return new
            # Before the file changes, so that a failure between the two never leaves what is no longer on disk.
            self._cache.pop(name, None)
            if new is None:
                self._path(name).unlink(missing_ok=True)
                sync_folder(self._folder)
            else:
                write_durably(self._path(name), self._seal(name, _encode(new)))
            return new

    def _path(self, name: str) -> Path:
        # Hashed: names tell tenants, and a file system may not tell cases apart.
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.key"

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._lock:
            private_folder(self._folder)
            descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._sweep()
                self._ensure_file_key()
                yield
            finally:
                os.close(descriptor)

    def _sweep(self) -> None:
        # Nobody else writes while the lock is held: a temporary file is one that a crash left behind.
        for leftover in self._folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _ensure_file_key(self) -> None:
        path = self._folder / _FILE_KEY
        if path.exists():
            return
        if any(self._folder.glob("*.key")):
            raise RingDamaged("The key ring has keys and no file key: it cannot be opened.")
        write_durably(path, secrets.token_bytes(_KEY_BYTES))

    def _file_cipher(self) -> AESGCM:
        if self._cipher is None:
            path = self._folder / _FILE_KEY
            try:
                with path.open("rb") as file:
                    if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                        raise RingDamaged("The file key of the key ring is readable by others.")
                    content = file.read()
            except FileNotFoundError:
                raise RingDamaged("The key ring has keys and no file key: it cannot be opened.") from None
            if len(content) != _KEY_BYTES:
                raise RingDamaged("The file key of the key ring is damaged.")
            self._cipher = AESGCM(content)
        return self._cipher

    def _seal(self, name: str, content: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MAGIC + nonce + self._file_cipher().encrypt(nonce, content, _MAGIC + name.encode())

    def _open(self, name: str, content: bytes) -> bytes:
        if not content.startswith(_MAGIC):
            raise RingDamaged("A file of the key ring is not one of this format.")
        start = len(_MAGIC) + _NONCE_BYTES
        nonce, sealed = content[len(_MAGIC) : start], content[start:]
        try:
            return self._file_cipher().decrypt(nonce, sealed, _MAGIC + name.encode())
        except (InvalidTag, ValueError):
            raise RingDamaged("A file of the key ring is damaged.") from None


def _encode(key: RingKey) -> bytes:
    document: dict[str, Any] = {
        "name": key.name,
        "kind": key.kind.value,
        "latest": key.latest,
        "min_available": key.min_available,
        "min_decryption": key.min_decryption,
        "min_encryption": key.min_encryption,
        "versions": {
            str(number): {
                "secret": base64.b64encode(version.secret).decode(),
                "created_at": version.created_at.isoformat(),
            }
            for number, version in key.versions.items()
        },
    }
    return json.dumps(document, sort_keys=True).encode()


def _decode(content: bytes) -> RingKey:
    document = json.loads(content)
    return RingKey(
        name=document["name"],
        kind=KeyKind(document["kind"]),
        versions={
            int(number): Version(
                base64.b64decode(version["secret"]), datetime.fromisoformat(version["created_at"])
            )
            for number, version in document["versions"].items()
        },
        latest=document["latest"],
        min_available=document["min_available"],
        min_decryption=document["min_decryption"],
        min_encryption=document["min_encryption"],
    )
