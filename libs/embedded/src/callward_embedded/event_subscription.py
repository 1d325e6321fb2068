"""One member of a consumer group on the event log in PostgreSQL."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import BigInteger, Integer, Row, Text, bindparam, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.db.database import Database, DatabaseUnavailable
from callward_common.db.waiting import wait_for_any
from callward_common.events.bus import BusUnavailable, CommitRefused, Delivery, Partition, PositionSource
from callward_common.events.envelope import from_headers
from callward_embedded.event_tables import offsets

#: By distance from where the group stands, so that a long partition does not starve the others.
_READ: Final = text(
    """
    SELECT found.topic, found.number, found.position, found.key, found.headers, found.data
    FROM unnest(:topics, :numbers, :positions) AS wanted (topic, number, position)
    CROSS JOIN LATERAL (
        SELECT * FROM log
        WHERE log.topic = wanted.topic AND log.number = wanted.number AND log.position >= wanted.position
        ORDER BY log.position LIMIT :limit
    ) AS found
    ORDER BY found.position - wanted.position, found.topic, found.number LIMIT :limit
    """
).bindparams(
    bindparam("topics", type_=postgresql.ARRAY(Text)),
    bindparam("numbers", type_=postgresql.ARRAY(Integer)),
    bindparam("positions", type_=postgresql.ARRAY(BigInteger)),
)


class Signal:
    """Wakes the subscriptions of this process: something was published, or a member has left."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listening: WeakSet[asyncio.Event] = WeakSet()

    def listen(self) -> asyncio.Event:
        """Returns an event that is set with every notification."""
        event = asyncio.Event()
        self._listening.add(event)
        return event

    def notify(self) -> None:
        """Wakes everyone."""
        for event in self._listening:
            event.set()


class LogSubscription:
    """A Subscription. It leads its group while its connection holds the group's advisory lock.

    Commits go through that very connection: who has lost the lock has lost the connection, and cannot commit.
    """

    def __init__(
        self,
        db: Database,
        group: str,
        partitions: Sequence[Partition],
        source: PositionSource | None,
        signal: Signal,
        *,
        poll: float,
    ) -> None:
        """Nothing is connected before the first `fetch`."""
        self._db, self._group, self._partitions, self._source = db, group, partitions, source
        self._signal, self._woken, self._poll = signal, signal.listen(), poll
        self._stack = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self._next: dict[Partition, int] | None = None

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Delivery]:
        """Returns the next deliveries; none when `timeout` brought none or another member leads."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            self._woken.clear()
            deliveries = await self._try(max_records)
            remaining = deadline - loop.time()
            if deliveries or remaining <= 0:
                return deliveries
            await wait_for_any(self._woken, within=min(remaining, self._poll))

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Makes positions durable. Raises CommitRefused once the lock is lost."""
        if self._connection is None or self._next is None or not self._next.keys() >= positions.keys():
            raise CommitRefused("This member does not lead its group.")
        if not positions:
            return
        rows = [
            {"consumer_group": self._group, "topic": topic, "number": number, "position": position}
            for (topic, number), position in positions.items()
        ]
        statement = postgresql.insert(offsets).values(rows)
        statement = statement.on_conflict_do_update(
            constraint=offsets.primary_key, set_={"position": statement.excluded.position}
        )
        try:
            await self._connection.execute(statement)
        except (SQLAlchemyError, OSError) as error:
            await self._drop()
            raise CommitRefused("The connection that leads the group is lost.") from error

    async def close(self) -> None:
        """Leaves the group: the lock is free, and the next member of this process tries at once."""
        await self._drop()
        self._signal.notify()

    async def _try(self, max_records: int) -> Sequence[Delivery]:
        try:
            connection = await self._connected()
            if self._next is None and not await self._lead(connection):
                return []
            return await self._read(connection, max_records)
        except (DatabaseUnavailable, SQLAlchemyError, OSError) as error:
            await self._drop()
            raise BusUnavailable("The event log does not answer.", retry_after=1.0) from error
        except BaseException:
            # Cancelled in the middle of a statement, or the source of positions failed: begin anew.
            await self._drop()
            raise

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            # Single statements only; a transaction left open would end at its idle limit, and the lock with it.
            self._connection = await self._stack.enter_async_context(self._db.dedicated(autocommit=True))
        return self._connection

    async def _lead(self, connection: AsyncConnection) -> bool:
        lock = func.pg_try_advisory_lock(func.hashtextextended(self._group, 0))
        if not await connection.scalar(select(lock)):
            return False
        if self._source is not None:
            self._next = {each: await self._source(each) or 0 for each in self._partitions}
            return True
        committed = select(offsets).where(offsets.c.consumer_group == self._group)
        rows = (await connection.execute(committed)).all()
        known = {Partition(row.topic, row.number): row.position for row in rows}
        self._next = {each: known.get(each, 0) for each in self._partitions}
        return True

    async def _read(self, connection: AsyncConnection, max_records: int) -> Sequence[Delivery]:
        assert self._next is not None
        wanted = {
            "topics": [partition.topic for partition in self._next],
            "numbers": [partition.number for partition in self._next],
            "positions": list(self._next.values()),
            "limit": max_records,
        }
        deliveries = [_delivery(row) for row in (await connection.execute(_READ, wanted)).all()]
        for delivery in deliveries:
            self._next[delivery.partition] = delivery.offset + 1
        return deliveries

    async def _drop(self) -> None:
        self._connection, self._next = None, None
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            await stack.aclose()
        except (DatabaseUnavailable, SQLAlchemyError, OSError):
            return  # it is gone, and that is what was wanted


def _delivery(row: Row[Any]) -> Delivery:
    headers = [(name, value.encode()) for name, value in row.headers]
    envelope = from_headers(headers, topic=row.topic, key=row.key, data=row.data)
    return Delivery(Partition(row.topic, row.number), row.position, envelope)
