"""The ledger over PostgreSQL: the writing side."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_audit.domain.errors import WriterFenced
from callward_audit.domain.model import Leaf, LogHead
from callward_audit.domain.watermark import advance
from callward_audit.tables import LEAVES, LOGS, NODES, POSITIONS, PRODUCERS, WRITER
from callward_common.clock import Clock
from callward_common.db import Database, Transaction
from callward_common.db.tables import inbox
from callward_common.events.bus import Partition
from callward_crypto.merkle import Node

CONSUMER = "audit-ledger"
#: PostgreSQL takes at most 32,767 parameters in one statement: nodes have four each, leaves nine.
ROWS_PER_STATEMENT = 2000


class DatabaseLedger:
    """Begins batches, one transaction each, for a writer with the newest epoch."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    @asynccontextmanager
    async def batch(self, epoch: int) -> AsyncIterator["DatabaseLedgerUnit"]:
        """Begin a batch of the writer with this epoch."""
        async with self._db.transaction() as transaction:
            yield DatabaseLedgerUnit(transaction, epoch, self._clock)

    async def begin_epoch(self) -> int:
        """Return a new epoch, higher than any before."""
        async with self._db.transaction() as transaction:
            statement = sa.update(WRITER).values(epoch=WRITER.c.epoch + 1).returning(WRITER.c.epoch)
            return int((await transaction.connection.execute(statement)).scalar_one())

    async def position(self, partition: Partition) -> int | None:
        """Return the next position to read."""
        query = sa.select(POSITIONS.c.position).where(
            POSITIONS.c.topic == partition.topic, POSITIONS.c.partition == partition.number
        )
        async with self._db.transaction() as transaction:
            position = (await transaction.connection.execute(query)).scalar()
        return None if position is None else int(position)


class DatabaseLedgerUnit:
    """One transaction of the writer."""

    def __init__(self, transaction: Transaction, epoch: int, clock: Clock) -> None:
        self._connection = transaction.connection
        self._epoch = epoch
        self._clock = clock

    async def head(self) -> LogHead | None:
        """Return the head of the newest log, locked; None before the first. Raises WriterFenced."""
        epoch = await self._connection.scalar(sa.select(WRITER.c.epoch).with_for_update())
        if epoch != self._epoch:
            raise WriterFenced("another writer has taken over the log")
        query = sa.select(LOGS).order_by(LOGS.c.opened.desc()).limit(1).with_for_update()
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        return LogHead(
            row.log, row.origin, row.size, tuple(bytes(part) for part in row.frontier), self._epoch
        )

    async def unseen(self, event_ids: Collection[str]) -> set[str]:
        """Mark events as taken and return those that were not before."""
        if not event_ids:
            return set()
        now = self._clock.now()
        rows = [
            {"consumer": CONSUMER, "event_id": event_id, "handled_at": now}
            for event_id in dict.fromkeys(event_ids)
        ]
        statement = insert(inbox).values(rows).on_conflict_do_nothing().returning(inbox.c.event_id)
        return {row.event_id for row in await self._connection.execute(statement)}

    async def add(self, head: LogHead, leaves: Sequence[Leaf], nodes: Sequence[Node]) -> None:
        """Add leaves and the tree nodes they completed, and move the head."""
        await self._insert(LEAVES, [_leaf_values(head.log, leaf) for leaf in leaves])
        await self._insert(
            NODES,
            [
                {"log": head.log, "level": level, "node_index": index, "hash": value}
                for level, index, value in nodes
            ],
        )
        values = {"origin": head.origin, "size": head.size, "frontier": list(head.frontier)}
        statement = insert(LOGS).values(log=head.log, **values)
        changes = {"size": head.size, "frontier": list(head.frontier)}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["log"], set_=changes))

    async def advance(self, log: str, sequences: Mapping[str, Collection[int]]) -> None:
        """Move each producer's watermark as far as its sequences have no gap; `log` is where they went."""
        for producer, seen in sorted(sequences.items()):
            row = (
                await self._connection.execute(sa.select(PRODUCERS).where(PRODUCERS.c.producer == producer))
            ).first()
            before, waiting = (row.watermark, row.waiting) if row is not None else (0, [])
            watermark, beyond = advance(before, [*waiting, *seen])
            values = {"watermark": watermark, "waiting": beyond}
            if watermark > before:
                values |= {"committed_at": self._clock.now(), "log": log}
            statement = insert(PRODUCERS).values(producer=producer, **values)
            await self._connection.execute(
                statement.on_conflict_do_update(index_elements=["producer"], set_=values)
            )

    async def move(self, positions: Mapping[Partition, int]) -> None:
        """Keep the next positions to read."""
        for partition, position in sorted(positions.items()):
            values = {"topic": partition.topic, "partition": partition.number, "position": position}
            statement = insert(POSITIONS).values(values)
            await self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["topic", "partition"], set_={"position": position}
                )
            )

    async def _insert(self, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            await self._connection.execute(sa.insert(table), list(rows[start : start + ROWS_PER_STATEMENT]))


def _leaf_values(log: str, leaf: Leaf) -> dict[str, object]:
    return {
        "log": log,
        "leaf_index": leaf.index,
        "tenant_id": leaf.tenant_id,
        "event_id": leaf.event_id,
        "producer": leaf.producer,
        "sequence": leaf.sequence,
        "type": leaf.type,
        "occurred_at": leaf.occurred_at,
        "body": leaf.body,
    }
