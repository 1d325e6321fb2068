"""The ports to the service's own database: one unit of work for a tenant, or for none."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from callward_keys.domain.checkpoints import SignedCheckpoint
from callward_keys.domain.documents import PublicKey
from callward_keys.domain.events import DomainEvent
from callward_keys.domain.model import Bucket, BucketGroup, DataKey, SubjectKind


class DataKeys(Protocol):
    """The data keys of one tenant."""

    async def find(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        """Returns the key of a subject as it is now, without a lock."""
        ...

    async def lock(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        """Returns the key of a subject with its row locked until the unit ends."""
        ...

    async def add(self, key: DataKey) -> bool:
        """Puts a new key on record; False when its subject has one. Durable when the unit commits."""
        ...

    async def expired(self, now: datetime) -> Sequence[DataKey]:
        """Returns a few open keys whose time is over, their rows locked; those that others have locked are left out."""
        ...

    async def save(self, key: DataKey) -> None:
        """Puts the new state of a locked key on record: what may change, and nothing else."""
        ...


class Buckets(Protocol):
    """The buckets of one tenant."""

    async def take_place(self, group: BucketGroup, limit: int) -> Bucket | None:
        """Takes one of `limit` places in the oldest bucket that has one, for good; None when there is none."""
        ...

    async def last_number(self, group: BucketGroup) -> int:
        """Returns the highest number of a bucket of the group, 0 when there is none."""
        ...

    async def add(self, bucket: Bucket) -> None:
        """Puts a bucket on record unless there is one of its number."""
        ...

    async def share(self, transit_key: str) -> None:
        """Takes the bucket's lock, shared, until the unit ends; destruction takes the same lock exclusively."""
        ...


class Unit(Protocol):
    """One unit of work of a tenant: it commits at the end of its block, with its events, or not at all."""

    @property
    def keys(self) -> DataKeys:
        """The tenant's data keys."""
        ...

    @property
    def buckets(self) -> Buckets:
        """The tenant's buckets."""
        ...

    def record(self, event: DomainEvent) -> str:
        """Adds an event and returns its id (UUIDv7)."""
        ...


class Units(Protocol):
    """Begins units of work."""

    def begin(self, tenant_id: str) -> AbstractAsyncContextManager[Unit]:
        """Begins a unit for one tenant."""
        ...

    async def record_refusal(self, tenant_id: str | None, event: DomainEvent) -> None:
        """Puts an event on record in a transaction of its own; `tenant_id` None: of no tenant that is known."""
        ...


class Checkpoints(Protocol):
    """The last signed checkpoint of each origin."""

    async def last(self, origin: str) -> SignedCheckpoint | None:
        """Returns the last one, None when there is none."""
        ...

    async def replace(self, checkpoint: SignedCheckpoint) -> None:
        """Puts a newer one in its place."""
        ...


class CheckpointUnits(Protocol):
    """Begins units of work on one origin."""

    def begin(self, origin: str) -> AbstractAsyncContextManager[Checkpoints]:
        """Begins a unit with the origin's row locked: checkpoints of an origin are signed one after the other."""
        ...

    async def last(self, origin: str) -> SignedCheckpoint | None:
        """Returns the last one without a lock."""
        ...


class PublicKeys(Protocol):
    """The history of public signing keys: it only grows."""

    async def add(self, keys: Sequence[PublicKey]) -> None:
        """Puts keys on record that are not there yet."""
        ...

    async def page(self, size: int, after: str | None) -> Sequence[PublicKey]:
        """Returns at most `size` keys, newest first, that follow the key with id `after`.

        Raises InvalidRequest for an id that is not on record.
        """
        ...
