"""The ports to the object store: versioned objects, and locks against deletion."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callward_common.errors import CallwardError, Category, Unavailable


class ObjectMissing(CallwardError):
    """There is no such object, or no such version of it."""

    category = Category.not_found
    type = "object-missing"
    title = "No such object"


class ObjectLocked(CallwardError):
    """Retention or a hold forbids what was asked: to delete a version, or to shorten its retention."""

    category = Category.precondition
    type = "object-locked"
    title = "The object is locked"


class StoreUnavailable(Unavailable):
    """The object store does not answer, or refused to write."""

    type = "object-store-unavailable"
    title = "The object store does not answer"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object. `size` in bytes."""

    key: str
    version_id: str
    size: int


@dataclass(frozen=True, slots=True)
class LockState:
    """The locks of one version. `until` None: no retention. `compliance`: nobody can shorten it."""

    until: datetime | None
    compliance: bool
    held: bool


class ObjectStore(Protocol):
    """Objects of bytes in versions that never change. Keys are `/`-separated [A-Za-z0-9._-], at most 512."""

    async def put(self, key: str, body: AsyncIterable[bytes]) -> StoredObject:
        """Writes a new version; durable on return. A body that fails or is cancelled leaves nothing behind."""

    def read(
        self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yields the bytes from `start` to before `stop` (None: the end). Raises ObjectMissing."""

    async def stat(self, key: str, version_id: str) -> StoredObject:
        """Returns what is known of a version. Raises ObjectMissing."""

    async def delete(self, key: str, version_id: str) -> None:
        """Deletes one version for good; a missing one is fine. Raises ObjectLocked."""

    def versions(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Yields every version of every object whose key starts with `prefix`."""


class ObjectLocks(Protocol):
    """Locks on versions: retention until a moment, and holds without an end."""

    async def retain(self, key: str, version_id: str, *, until: datetime, compliance: bool = False) -> None:
        """Forbids deletion until a moment. Raises ObjectLocked when that would shorten or weaken a retention."""

    async def hold(self, key: str, version_id: str, on: bool) -> None:
        """Sets or lifts the hold of a version. Raises ObjectMissing."""

    async def state(self, key: str, version_id: str) -> LockState:
        """Returns the locks of a version. Raises ObjectMissing."""
