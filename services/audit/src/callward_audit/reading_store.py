"""The ledger over PostgreSQL: the reading side. Leaves are read as their tenant, so row-level security applies."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_audit.domain.model import Leaf, LogHead, SignedCheckpoint, Watermark
from callward_audit.tables import CHECKPOINTS, LEAVES, LOGS, NODES, PRODUCERS
from callward_common.db import Database
from callward_crypto.merkle import NodeId


class DatabaseLog:
    """Reads heads, nodes, checkpoints and watermarks: hashes and counts that belong to no tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def heads(self) -> Sequence[LogHead]:
        """Return the heads of all logs, newest first."""
        query = sa.select(LOGS).order_by(LOGS.c.opened.desc())
        async with self._db.transaction() as transaction:
            rows = await transaction.connection.execute(query)
            return [
                LogHead(row.log, row.origin, row.size, tuple(map(bytes, row.frontier)), 0) for row in rows
            ]

    async def nodes(self, log: str, wanted: Collection[NodeId]) -> Mapping[NodeId, bytes]:
        """Return the stored hashes of complete subtrees."""
        if not wanted:
            return {}
        place = sa.tuple_(NODES.c.level, NODES.c.node_index)
        query = sa.select(NODES.c.level, NODES.c.node_index, NODES.c.hash).where(
            NODES.c.log == log, place.in_(list(wanted))
        )
        async with self._db.transaction() as transaction:
            rows = await transaction.connection.execute(query)
            return {(row.level, row.node_index): bytes(row.hash) for row in rows}

    async def checkpoint(self, log: str) -> SignedCheckpoint | None:
        """Return the newest checkpoint of a log."""
        query = (
            sa.select(CHECKPOINTS)
            .where(CHECKPOINTS.c.log == log)
            .order_by(CHECKPOINTS.c.size.desc())
            .limit(1)
        )
        async with self._db.transaction() as transaction:
            row = (await transaction.connection.execute(query)).first()
        return (
            None
            if row is None
            else SignedCheckpoint(row.log, row.size, bytes(row.root), row.note, row.signed_at)
        )

    async def add_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        """Keep a checkpoint; the same one again is fine."""
        values = {
            "log": checkpoint.log,
            "size": checkpoint.size,
            "root": checkpoint.root,
            "note": checkpoint.note,
            "signed_at": checkpoint.signed_at,
        }
        async with self._db.transaction() as transaction:
            await transaction.connection.execute(insert(CHECKPOINTS).values(values).on_conflict_do_nothing())

    async def watermark(self, producer: str) -> Watermark:
        """Return a producer's watermark; 0 when nothing of it is on record."""
        query = sa.select(PRODUCERS).where(PRODUCERS.c.producer == producer)
        async with self._db.transaction() as transaction:
            row = (await transaction.connection.execute(query)).first()
        if row is None:
            return Watermark(producer, 0, None, "")
        return Watermark(producer, row.watermark, row.committed_at, row.log or "")


class DatabaseLeaves:
    """Reads the leaves of one tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, tenant_id: str, log: str, start: int, limit: int) -> AsyncIterator[Leaf]:
        """Yield the tenant's leaves of a log from index `start` on, in order."""
        query = (
            sa.select(LEAVES)
            .where(LEAVES.c.tenant_id == tenant_id, LEAVES.c.log == log, LEAVES.c.leaf_index >= start)
            .order_by(LEAVES.c.leaf_index)
            .limit(limit)
        )
        async with self._db.transaction(tenant_id) as transaction:
            rows = (await transaction.connection.execute(query)).all()
        for row in rows:
            yield _leaf(row)

    async def find(self, tenant_id: str, event_id: str) -> tuple[str, Leaf] | None:
        """Return the log and leaf of an event of this tenant."""
        query = sa.select(LEAVES).where(LEAVES.c.tenant_id == tenant_id, LEAVES.c.event_id == event_id)
        async with self._db.transaction(tenant_id) as transaction:
            row = (await transaction.connection.execute(query)).first()
        return None if row is None else (row.log, _leaf(row))


def _leaf(row: sa.Row[Any]) -> Leaf:
    return Leaf(
        index=row.leaf_index,
        tenant_id=row.tenant_id,
        event_id=row.event_id,
        producer=row.producer,
        sequence=row.sequence,
        type=row.type,
        occurred_at=row.occurred_at,
        body=bytes(row.body),
    )
