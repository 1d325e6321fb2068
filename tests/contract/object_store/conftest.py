"""The adapters that the object store suite runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from callward_common.clock import Clock, SystemClock
from callward_common.objects.store import ObjectLocks, ObjectStore
from callward_embedded.file_objects import FileObjectStore


class LockingStore(ObjectStore, ObjectLocks, Protocol):
    """Both ports at once."""


@asynccontextmanager
async def files(folder: Path, clock: Clock) -> AsyncIterator[LockingStore]:
    """The files of the embedded platform."""
    store = FileObjectStore(folder / "objects", clock)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


#: Name → a way to open one, given a folder of its own and the clock. A production adapter joins by one line.
ADAPTERS: dict[str, Callable[[Path, Clock], AbstractAsyncContextManager[LockingStore]]] = {
    "files": files,
}


@pytest.fixture
def clock() -> Clock:
    """The machine's: a server that enforces locks goes by its own."""
    return SystemClock()


@pytest.fixture(params=sorted(ADAPTERS))
async def adapter(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[LockingStore]:
    async with ADAPTERS[request.param](tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def folder() -> str:
    """A prefix that no other test uses: an adapter's server may outlive a test."""
    return f"test/{uuid4()}"


@pytest.fixture
def key(folder: str) -> str:
    """A key that no other test uses."""
    return f"{folder}/object"
