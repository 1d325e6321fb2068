"""What is remembered of uploads on this machine: enough to go on after a crash, in files of their owner's alone."""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from callward_cli.exits import CommandError, Exit

FORMAT: Final = 1
#: The path of standard input.
STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Remembered:
    """One upload. `digest`: SHA-256 of the file in hex; `url` None: not known to be created; `answer`: once complete."""

    server: str
    call_id: str
    path: str
    media_type: str
    idempotency_key: str
    begun_at: str
    leg: str | None = None
    started_at: str | None = None
    size: int | None = None
    modified_ns: int | None = None
    digest: str | None = None
    url: str | None = None
    completed_at: str | None = None
    answer: dict[str, Any] | None = None
    format: int = FORMAT

    @property
    def upload_id(self) -> str | None:
        """The upload's id, which is its recording's too."""
        return None if self.url is None else self.url.rstrip("/").rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        """What the same command finds it by: server, call, leg and path; every standard input is one of its own."""
        own = self.idempotency_key if self.path == STANDARD_INPUT else ""
        text = json.dumps([self.server, self.call_id, self.leg, self.path, own])
        return hashlib.sha256(text.encode()).hexdigest()[:24]


class UploadsFolder:
    """A folder of remembered uploads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[Remembered]:
        """Return every upload that is remembered, the oldest first. Raises CommandError for a damaged file."""
        found = (self._read(path) for path in sorted(self.path.glob("*.json")))
        return sorted((each for each in found if each is not None), key=lambda each: each.begun_at)

    def find(self, like: Remembered) -> Remembered | None:
        """Return what is remembered of an upload with the same name."""
        return self._read(self._file(like))

    def keep(self, upload: Remembered) -> None:
        """Write an upload down; durable on return. Raises CommandError where that cannot be done."""
        content = json.dumps(asdict(upload), indent=1, ensure_ascii=False).encode()
        try:
            _private_folder(self.path)
            _write_durably(self._file(upload), content)
        except OSError as error:
            raise CommandError(
                f"the upload cannot be remembered in {self.path}: {error.strerror}", Exit.platform
            ) from error

    def forget(self, upload: Remembered) -> None:
        """Remove an upload. It may be gone already."""
        self._file(upload).unlink(missing_ok=True)

    @contextmanager
    def alone_with(self, upload: Remembered) -> Iterator[None]:
        """Keep every other process off the upload. Raises CommandError when one is at it."""
        _private_folder(self.path)
        path = self._file(upload).with_suffix(".lock")
        descriptor = _locked(path)
        if descriptor is None:
            raise CommandError(f"{upload.path} is being uploaded by another process", Exit.usage)
        try:
            yield
        finally:
            # Removed while it is held: whoever opened it meanwhile finds that it is no longer the file of that name.
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _file(self, upload: Remembered) -> Path:
        return self.path / f"{upload.name}.json"

    def _read(self, path: Path) -> Remembered | None:
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise CommandError(f"{path} was written by another version of callward", Exit.usage)
            names = {each.name for each in fields(Remembered)}
            return Remembered(**{name: value for name, value in document.items() if name in names})
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.usage) from error
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(
                f"{path} is damaged; remove it, and that upload starts anew", Exit.usage
            ) from error


def _locked(path: Path) -> int | None:
    """Return a descriptor that holds the lock, or None when another process does."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        try:
            same = path.stat().st_ino == os.fstat(descriptor).st_ino
        except FileNotFoundError:
            same = False
        if same:
            return descriptor
        os.close(descriptor)


def _private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
