"""Where the bytes come from: a file, of which any range can be read again, or standard input, which comes once."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.door import Piece
from callward_cli.upload.errors import FileChanged
from callward_cli.upload.headers import Limits

CHUNK: Final = 256 * 1024
HASH_CHUNK: Final = 1024 * 1024
#: Bytes of one append where the platform states no limit: what a break costs is much less, since it keeps what came.
APPEND: Final = 64 * 1024 * 1024
Moved = Callable[[int], None]


class Source(Protocol):
    """Bytes to send, in order."""

    size: int | None

    async def piece(self, offset: int, limits: Limits, moved: Moved) -> Piece:
        """Return what to append at `offset`; `moved` is told the offset of each chunk's end. Raises CommandError."""
        ...

    def acknowledged(self, offset: int) -> None:
        """Note that everything before `offset` is durable: it will not be asked for again. Raises CommandError."""
        ...


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file held when it was looked at. `digest`: SHA-256 in hex; `modified_ns` since the epoch."""

    size: int
    modified_ns: int
    digest: str


class FileSource:
    """A regular file, kept open so that it stays the same one under another name."""

    def __init__(self, path: Path) -> None:
        """Opens the file. Raises CommandError for what is no file that can be read."""
        self.path = path
        self._checked: os.stat_result | None = None
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.usage) from error
        status = os.fstat(self._descriptor)
        self.size: int | None = status.st_size
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise CommandError(f"{path} is no file", Exit.usage)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    async def fingerprint(self, moved: Moved) -> Fingerprint:
        """Read the whole file once, a mebibyte at a time, and return what it holds."""
        status = os.fstat(self._descriptor)
        sha256, offset = hashlib.sha256(), 0
        while chunk := await asyncio.to_thread(self._read, HASH_CHUNK, offset):
            await asyncio.to_thread(sha256.update, chunk)
            offset += len(chunk)
            moved(offset)
        self._checked = status
        self.size = offset
        self._demand_unchanged()
        return Fingerprint(offset, status.st_mtime_ns, sha256.hexdigest())

    async def piece(self, offset: int, limits: Limits, moved: Moved) -> Piece:
        """Return as much as one append may hold."""
        assert self.size is not None
        most = max(min(APPEND, limits.max_append or APPEND), limits.min_append or 0)
        end = min(offset + most, self.size)
        self._demand_unchanged()
        return Piece(
            offset, lambda: self._chunks(offset, end, moved), end - offset, end == self.size, length=self.size
        )

    def acknowledged(self, offset: int) -> None:
        """Check that the platform holds no more than there is."""
        if self.size is not None and offset > self.size:
            raise CommandError("the platform holds more bytes than the file has", Exit.platform)

    async def _chunks(self, offset: int, end: int, moved: Moved) -> AsyncIterator[bytes]:
        while offset < end:
            chunk = await asyncio.to_thread(self._read, min(CHUNK, end - offset), offset)
            if not chunk:
                raise FileChanged(f"{self.path} became shorter while it was sent")
            offset += len(chunk)
            if offset == self.size:
                self._demand_unchanged()
            yield chunk
            moved(offset)

    def _read(self, size: int, offset: int) -> bytes:
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise CommandError(f"{self.path} cannot be read: {error.strerror}", Exit.platform) from error

    def _demand_unchanged(self) -> None:
        before, now = self._checked, os.fstat(self._descriptor)
        if before is not None and (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            raise FileChanged(f"{self.path} changed while it was being sent; send it when it is finished")
        with suppress(FileNotFoundError):
            there = self.path.stat()
            if (there.st_ino, there.st_dev) != (now.st_ino, now.st_dev):
                raise FileChanged(f"{self.path} was replaced while it was being sent")
