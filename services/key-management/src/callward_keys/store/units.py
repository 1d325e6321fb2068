"""Units of work over PostgreSQL: data keys, buckets and the events about them, in one transaction."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_common.db import Database, Transaction
from callward_keys import events
from callward_keys.domain.events import DomainEvent
from callward_keys.domain.model import Bucket, BucketGroup, DataKey, KeyState, Subject, SubjectKind
from callward_keys.ports import Unit
from callward_keys.store.tables import BUCKETS, DATA_KEYS

#: Open keys whose time is over that one issue closes: more than one, so that they become fewer.
_EXPIRED_AT_ONCE = 8


class DatabaseUnits:
    """Begins units of work: one transaction each, with row-level security set to the tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator[Unit]:
        """Begins a unit for one tenant."""
        async with self._db.transaction(tenant_id) as transaction:
            yield DatabaseUnit(transaction, tenant_id)

    async def record_refusal(self, tenant_id: str | None, event: DomainEvent) -> None:
        """Puts an event on record in a transaction of its own."""
        async with self._db.transaction(tenant_id) as transaction:
            transaction.emit(events.to_message(event), key=events.key_of(event), tenant=tenant_id or "")


class DatabaseUnit:
    """One transaction of one tenant."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._transaction, self._tenant_id = transaction, tenant_id
        self.keys = DatabaseDataKeys(transaction, tenant_id)
        self.buckets = DatabaseBuckets(transaction, tenant_id)

    def record(self, event: DomainEvent) -> str:
        """Adds an event and returns its id."""
        return self._transaction.emit(
            events.to_message(event), key=events.key_of(event), tenant=self._tenant_id
        )


class DatabaseDataKeys:
    """The data keys of one tenant. Row-level security backs the filter in each statement."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._connection, self._tenant_id = transaction.connection, tenant_id

    async def find(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        """Returns the key of a subject as it is now, without a lock."""
        return await self._one(self._query(kind, subject_id))

    async def lock(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        """Returns the key of a subject with its row locked until the unit ends."""
        return await self._one(self._query(kind, subject_id).with_for_update(of=DATA_KEYS))

    async def expired(self, now: datetime) -> Sequence[DataKey]:
        """Returns a few open keys whose time is over, their rows locked; those that others have locked are left out."""
        over = (
            self._columns()
            .where(
                DATA_KEYS.c.tenant_id == self._tenant_id,
                DATA_KEYS.c.state == KeyState.open.value,
                DATA_KEYS.c.open_until < now,
            )
            .limit(_EXPIRED_AT_ONCE)
            .with_for_update(of=DATA_KEYS, skip_locked=True)
        )
        return [self._key(row) for row in (await self._connection.execute(over)).mappings().all()]

    async def add(self, key: DataKey) -> bool:
        """Puts a new key on record; False when its subject has one."""
        values = _values(key) | {
            "key_id": key.key_id,
            "tenant_id": self._tenant_id,
            "subject_kind": key.subject.kind.value,
            "subject_id": key.subject.subject_id,
            "bucket_id": key.bucket_id,
            "wrap": key.wrap,
            "commitment": key.commitment,
            "upload_secret_sha256": key.upload_secret_sha256,
            "open_until": key.open_until,
            "not_before": key.not_before,
            "issued_at": key.issued_at,
        }
        subject = [DATA_KEYS.c.tenant_id, DATA_KEYS.c.subject_kind, DATA_KEYS.c.subject_id]
        statement = insert(DATA_KEYS).values(values).on_conflict_do_nothing(index_elements=subject)
        added = await self._connection.execute(statement.returning(DATA_KEYS.c.key_id))
        return added.first() is not None

    async def save(self, key: DataKey) -> None:
        """Puts the new state of a locked key on record. Nothing else may change, and the run role cannot."""
        mine = (DATA_KEYS.c.tenant_id == self._tenant_id) & (DATA_KEYS.c.key_id == key.key_id)
        await self._connection.execute(sa.update(DATA_KEYS).where(mine).values(_values(key)))

    def _query(self, kind: SubjectKind, subject_id: str) -> sa.Select[Any]:
        return self._columns().where(
            DATA_KEYS.c.tenant_id == self._tenant_id,
            DATA_KEYS.c.subject_kind == kind.value,
            DATA_KEYS.c.subject_id == subject_id,
        )

    def _columns(self) -> sa.Select[Any]:
        columns = [column for column in DATA_KEYS.c if column.name != "tenant_id"]
        joined = BUCKETS.c.bucket_id == DATA_KEYS.c.bucket_id
        return sa.select(*columns, BUCKETS.c.transit_key).join(BUCKETS, joined)

    async def _one(self, query: sa.Select[Any]) -> DataKey | None:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else self._key(row)

    def _key(self, row: sa.RowMapping) -> DataKey:
        facts = dict(row)
        kind, subject_id = SubjectKind(facts.pop("subject_kind")), facts.pop("subject_id")
        state = KeyState(facts.pop("state"))
        return DataKey(subject=Subject(self._tenant_id, kind, subject_id), state=state, **facts)


class DatabaseBuckets:
    """The buckets of one tenant."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._connection, self._tenant_id = transaction.connection, tenant_id

    async def take_place(self, group: BucketGroup, limit: int) -> Bucket | None:
        """Takes a place in the oldest bucket that has one. A unit that waited for the last place gets none."""
        free = (
            sa.select(BUCKETS.c.bucket_id)
            .where(self._of(group), BUCKETS.c.places < limit)
            .order_by(BUCKETS.c.number)
            .limit(1)
            .with_for_update()
            .scalar_subquery()
        )
        statement = (
            sa.update(BUCKETS)
            .where(
                BUCKETS.c.tenant_id == self._tenant_id, BUCKETS.c.bucket_id == free, BUCKETS.c.places < limit
            )
            .values(places=BUCKETS.c.places + 1)
            .returning(BUCKETS.c.bucket_id, BUCKETS.c.number, BUCKETS.c.transit_key)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else Bucket(row.bucket_id, group, row.number, row.transit_key)

    async def last_number(self, group: BucketGroup) -> int:
        """Returns the highest number of a bucket of the group, 0 when there is none."""
        query = sa.select(sa.func.coalesce(sa.func.max(BUCKETS.c.number), 0)).where(self._of(group))
        return int((await self._connection.execute(query)).scalar_one())

    async def add(self, bucket: Bucket) -> None:
        """Puts a bucket on record unless there is one of its number."""
        statement = insert(BUCKETS).values(
            bucket_id=bucket.bucket_id,
            tenant_id=self._tenant_id,
            retention_class=bucket.group.retention_class,
            expiry_month=bucket.group.expiry_month,
            number=bucket.number,
            transit_key=bucket.transit_key,
            places=0,
        )
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def share(self, transit_key: str) -> None:
        """Takes the bucket's advisory lock, shared, until the transaction ends."""
        await self._connection.execute(
            sa.select(sa.func.pg_advisory_xact_lock_shared(bucket_lock(transit_key)))
        )

    def _of(self, group: BucketGroup) -> sa.ColumnElement[bool]:
        return sa.and_(
            BUCKETS.c.tenant_id == self._tenant_id,
            BUCKETS.c.retention_class == group.retention_class,
            BUCKETS.c.expiry_month == group.expiry_month,
        )


def bucket_lock(transit_key: str) -> int:
    """Gives the number of a bucket's advisory lock: issue and seal share it, destruction takes it exclusively.

    64 bits of a hash: two buckets that met would wait for each other, and nothing worse.
    """
    digest = hashlib.sha256(b"callward/bucket-lock/" + transit_key.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _values(key: DataKey) -> dict[str, object]:
    """Gives what may change of a key: the columns that the run role may update."""
    return {
        "state": key.state.value,
        "manifest_sha256": key.manifest_sha256,
        "wrap_version": key.wrap_version,
        "sealed_at": key.sealed_at,
        "shred_reason": key.shred_reason,
        "last_opened_at": key.last_opened_at,
    }
