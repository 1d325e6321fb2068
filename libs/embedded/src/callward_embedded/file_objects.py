"""Objects as files: versions that never change, written whole or not at all, and locks that deletion obeys."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from callward_common.clock import Clock
from callward_common.ids import new_id
from callward_common.objects.store import LockState, ObjectMissing, StoredObject, StoreUnavailable
from callward_embedded import file_keys, file_locks
from callward_embedded.files import private_folder, sync_folder
from callward_embedded.threads import Threads

_log = logging.getLogger(__name__)
T = TypeVar("T")

#: The most bytes that one step of a read gives.
READ_BYTES: Final = 262_144
_DATA, _LOCKS = ".data", ".locks"


class FileObjectStore:
    """An ObjectStore with ObjectLocks in a folder of one process's own."""

    def __init__(self, root: Path, clock: Clock, *, threads: int = 8) -> None:
        """`root` is made when missing. `clock` tells when a retention is over; `threads` bounds the work at once."""
        self._objects, self._unfinished, self._clock = root / "objects", root / "unfinished", clock
        self._threads = Threads(threads)
        # Names and locks change together: of a lock and a deletion at the same time, one comes first.
        self._names = threading.Lock()

    async def start(self) -> None:
        """Makes the folders and removes what a crash left unfinished; how many is logged."""
        removed = await self._do(self._remove_unfinished)
        if removed:
            _log.warning("unfinished objects removed", extra={"count": removed})

    async def close(self) -> None:
        """Waits for what is under way and ends the threads."""
        await asyncio.to_thread(self._threads.close)

    async def put(self, key: str, body: AsyncIterable[bytes]) -> StoredObject:
        """Writes a new version; durable on return. A body that fails or is cancelled leaves nothing behind."""
        folder, version = file_keys.folder_of(self._objects, key), new_id()
        temporary, final = self._unfinished / version, folder / f"{version}{_DATA}"
        file: BinaryIO | None = None
        try:
            file = await self._do(lambda: _create(temporary), undo=_close)
            size = 0
            async for chunk in body:
                size += len(chunk)
                await self._do(_writing(file, chunk))
            await self._do(lambda: self._finish(file, temporary, final))
        except BaseException:
            await self._do(lambda: self._abandon(file, temporary, final))
            raise
        return StoredObject(key, version, size)

    async def read(
        self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yields at most 256 KiB at a time, nothing past the end. Raises ObjectMissing."""
        if start < 0 or (stop is not None and stop < start):
            raise ValueError("a range begins at 0 or later and does not end before it begins")
        path = self._path(key, version_id)
        file = await self._do(lambda: _opened(path, start), undo=_close)
        try:
            position = start
            while stop is None or position < stop:
                wanted = READ_BYTES if stop is None else min(READ_BYTES, stop - position)
                chunk = await self._do(_reading(file, wanted))
                if not chunk:
                    return
                position += len(chunk)
                yield chunk
        finally:
            file.close()

    async def stat(self, key: str, version_id: str) -> StoredObject:
        """Returns what is known of a version. Raises ObjectMissing."""
        path = self._path(key, version_id)
        return StoredObject(key, version_id, (await self._do(path.stat)).st_size)

    async def delete(self, key: str, version_id: str) -> None:
        """Deletes one version for good; a missing one is fine. Raises ObjectLocked."""
        path = self._path(key, version_id)
        await self._do(lambda: self._delete(path))

    async def versions(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yields every version of every object whose key starts with `prefix`, by key and age."""
        nearest = file_keys.nearest_folder(self._objects, prefix)
        for stored in await self._do(lambda: self._list(nearest, prefix)):
            yield stored

    async def retain(self, key: str, version_id: str, *, until: datetime, compliance: bool = False) -> None:
        """Forbids deletion until a moment; only ever longer. Raises ObjectLocked otherwise."""

        def lengthen(state: LockState) -> LockState:
            return file_locks.retained(state, until, compliance=compliance, clock=self._clock)

        await self._change(key, version_id, lengthen)

    async def hold(self, key: str, version_id: str, on: bool) -> None:
        """Sets or lifts the hold of a version. Raises ObjectMissing."""
        await self._change(key, version_id, lambda state: replace(state, held=on))

    async def state(self, key: str, version_id: str) -> LockState:
        """Returns the locks of a version. Raises ObjectMissing."""
        path = self._path(key, version_id)

        def read() -> LockState:
            path.stat()
            return file_locks.read_state(path.with_suffix(_LOCKS))

        return await self._do(read)

    async def _change(self, key: str, version_id: str, change: Callable[[LockState], LockState]) -> None:
        path = self._path(key, version_id)
        locks = path.with_suffix(_LOCKS)

        def work() -> None:
            with self._names:
                path.stat()
                file_locks.write_state(locks, change(file_locks.read_state(locks)))

        await self._do(work)

    async def _do(self, work: Callable[[], T], *, undo: Callable[[T], object] | None = None) -> T:
        try:
            return await self._threads.run(work, undo=undo)
        except FileNotFoundError:
            raise ObjectMissing("There is no such object, or no such version of it.") from None
        except OSError as error:
            _log.error("the file system refused", extra={"error_type": type(error).__name__})
            raise StoreUnavailable("The object store cannot read or write.", retry_after=5.0) from None

    def _path(self, key: str, version_id: str) -> Path:
        return file_keys.folder_of(self._objects, key) / f"{file_keys.checked_version(version_id)}{_DATA}"

    def _remove_unfinished(self) -> int:
        private_folder(self._objects)
        left = list(private_folder(self._unfinished).iterdir())
        for path in left:
            path.unlink()
        return len(left)

    def _finish(self, file: BinaryIO | None, temporary: Path, final: Path) -> None:
        assert file is not None
        file.flush()
        os.fsync(file.fileno())
        file.close()
        with self._names:
            made = [parent for parent in final.parents if not parent.exists()]
            private_folder(final.parent)
            temporary.rename(final)
        for folder in (final.parent, *(each.parent for each in made)):
            sync_folder(folder)

    def _abandon(self, file: BinaryIO | None, temporary: Path, final: Path) -> None:
        if file is not None:
            with suppress(OSError):  # what is still to be written is to go anyway
                file.close()
        with self._names:
            temporary.unlink(missing_ok=True)
            final.unlink(missing_ok=True)
            self._prune(final.parent)

    def _delete(self, path: Path) -> None:
        locks = path.with_suffix(_LOCKS)
        with self._names:
            if path.exists():
                file_locks.demand_unlocked(file_locks.read_state(locks), self._clock)
                path.unlink()
                locks.unlink(missing_ok=True)
                sync_folder(path.parent)
                self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        """Removes folders that hold nothing: their names are those of objects that are gone."""
        while folder != self._objects and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def _list(self, nearest: Path, prefix: str) -> list[StoredObject]:
        beginning, found = file_keys.name_beginning(prefix), []
        # With the names held still: a folder that goes while it is read would fail the whole list.
        with self._names:
            children = nearest.iterdir() if nearest.is_dir() else ()
            near = [child for child in children if child.name.startswith(beginning)]
            for path in sorted(path for child in near for path in child.rglob(f"*{_DATA}")):
                key = file_keys.key_of(self._objects, path.parent)
                if path.parent.name.endswith("@") and key.startswith(prefix):
                    found.append(StoredObject(key, path.stem, path.stat().st_size))
        return found


def _create(path: Path) -> BinaryIO:
    private_folder(path.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _opened(path: Path, start: int) -> BinaryIO:
    file = path.open("rb", buffering=0)
    file.seek(start)
    return file


def _close(file: BinaryIO) -> None:
    file.close()


def _writing(file: BinaryIO, chunk: bytes) -> Callable[[], int]:
    return lambda: file.write(chunk)


def _reading(file: BinaryIO, wanted: int) -> Callable[[], bytes]:
    return lambda: file.read(wanted)
