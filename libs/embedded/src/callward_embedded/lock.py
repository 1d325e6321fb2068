"""One process per data folder."""

import fcntl
import os
from pathlib import Path

from callward_embedded.errors import AlreadyRunning


class FolderLock:
    """A lock that the kernel lifts when its process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """`folder` must exist when the lock is taken."""
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the lock. Raises AlreadyRunning, with the process that holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise AlreadyRunning(
                f"The folder {self._path.parent} is in use by process {holder}: stop it first, or choose another."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Lifts the lock; lifting it twice is fine. The file stays: removing it would let two processes in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
