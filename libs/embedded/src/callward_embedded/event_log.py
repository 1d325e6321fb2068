"""An event bus in PostgreSQL: topics of partitions with gapless positions, at least once, in order per key."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from callward_common.clock import Clock
from callward_common.db.database import Database, DatabaseUnavailable
from callward_common.db.transaction import Transaction
from callward_common.events.bus import BusUnavailable, Partition, PositionSource
from callward_common.events.envelope import Envelope
from callward_embedded.databases import DatabaseUrls
from callward_embedded.event_subscription import LogSubscription, Signal
from callward_embedded.event_tables import create_tables, log, partitions

#: Partitions of every topic. It never changes: the partition of a key follows from it.
PARTITIONS: Final = 8


class PostgresEventLog:
    """An EventBus. It keeps every event; a group has one member at a time that is delivered to."""

    def __init__(self, db: Database, *, poll: float = 0.1) -> None:
        """`db` is the event log's own database, as its run role. `poll`: seconds between looks at other processes."""
        self._db, self._poll = db, poll
        self._signal = Signal()
        self._known: set[Partition] = set()

    @classmethod
    async def open(cls, urls: DatabaseUrls, clock: Clock, *, poll: float = 0.1) -> "PostgresEventLog":
        """Makes the tables when they are missing and returns the log."""
        await create_tables(urls)
        return cls(Database.connect(urls.run_url, producer="event-log", clock=clock, pool_size=8), poll=poll)

    async def close(self) -> None:
        """Closes the connections. Subscriptions are closed by their consumers before."""
        await self._db.close()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Appends in one transaction: all of them, in order, or none. Durable on return."""
        if not envelopes:
            return
        placed = [(partition_of(envelope.topic, envelope.key), envelope) for envelope in envelopes]
        touched = sorted({partition for partition, _ in placed})
        try:
            async with self._db.transaction() as transaction:
                await self._append(transaction, placed, touched)
        except (DatabaseUnavailable, SQLAlchemyError, OSError) as error:
            self._known.clear()
            raise BusUnavailable("The event log does not answer.", retry_after=1.0) from error
        self._known.update(touched)
        self._signal.notify()

    async def subscribe(
        self, group: str, topics: Sequence[str], *, positions: PositionSource | None = None
    ) -> LogSubscription:
        """Joins a group. Whoever holds its advisory lock is delivered to; the others wait in `fetch`."""
        if not topics:
            raise ValueError("a subscription has at least one topic")
        every = [Partition(topic, number) for topic in sorted(set(topics)) for number in range(PARTITIONS)]
        return LogSubscription(self._db, group, every, positions, self._signal, poll=self._poll)

    async def _append(
        self,
        transaction: Transaction,
        placed: Sequence[tuple[Partition, Envelope]],
        touched: Sequence[Partition],
    ) -> None:
        connection = transaction.connection
        new = [partition for partition in touched if partition not in self._known]
        if new:
            rows = [{"topic": topic, "number": number, "next_position": 0} for topic, number in new]
            await connection.execute(postgresql.insert(partitions).values(rows).on_conflict_do_nothing())
        # In one order everywhere, and until the commit: positions have no gaps and follow the commits.
        locked = (
            select(partitions)
            .where(tuple_(partitions.c.topic, partitions.c.number).in_(touched))
            .order_by(partitions.c.topic, partitions.c.number)
            .with_for_update()
        )
        found = (await connection.execute(locked)).all()
        following = {Partition(row.topic, row.number): row.next_position for row in found}
        records = []
        for partition, envelope in placed:
            records.append(_record(partition, following[partition], envelope))
            following[partition] += 1
        await connection.execute(insert(log), records)
        await connection.execute(
            update(partitions)
            .where(partitions.c.topic == bindparam("t"), partitions.c.number == bindparam("n"))
            .values(next_position=bindparam("p")),
            [{"t": topic, "n": number, "p": position} for (topic, number), position in following.items()],
        )


def partition_of(topic: str, key: str) -> Partition:
    """Returns the partition of a key: a hash that no process, version or machine changes."""
    digest = hashlib.sha256(key.encode()).digest()
    return Partition(topic, int.from_bytes(digest[:8], "big") % PARTITIONS)


def _record(partition: Partition, position: int, envelope: Envelope) -> Mapping[str, Any]:
    return {
        "topic": partition.topic,
        "number": partition.number,
        "position": position,
        "key": envelope.key,
        "headers": [[name, value.decode()] for name, value in envelope.to_headers()],
        "data": envelope.data,
    }
