"""From the outbox to the event bus: at least once, in order per key, with a gapless sequence per producer.

Order. Rows get their sequence in the order of their ids, once every transaction with a lower or equal transaction id
has ended (`xid < pg_snapshot_xmin`). So where one event could have known of another — its transaction saw what the
other's had committed, as it must when both changed the same row — it follows it. Transactions that ran side by side
have no order, and none of their events is ever skipped, however late they commit.

Sequence. The assignment is committed before anything is published, and what is published is marked afterwards: a
crash in between publishes the same event with the same sequence again. An event never gets a second sequence, and a
sequence never a second event.
"""

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, bindparam, delete, func, literal, literal_column, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.clock import Clock
from callward_common.db.database import Database, DatabaseUnavailable
from callward_common.db.tables import RELAY_LOCK, outbox, outbox_state
from callward_common.db.waiting import Backoff, wait_for_any
from callward_common.events.bus import EventBus
from callward_common.events.envelope import Envelope
from callward_common.telemetry import metrics

_log = logging.getLogger(__name__)

_SETTLED: Final = outbox.c.xid < literal_column("pg_snapshot_xmin(pg_current_snapshot())")
_TO_NUMBER: Final = select(outbox.c.id).where(outbox.c.sequence.is_(None) & _SETTLED).order_by(outbox.c.id)


class OutboxRelay:
    """Publishes a database's events. Of several on one database, one works and the others stand by."""

    name = "outbox-relay"

    def __init__(
        self,
        db: Database,
        bus: EventBus,
        clock: Clock,
        *,
        batch: int = 500,
        poll: float = 0.1,
        standby: float = 1.0,
    ) -> None:
        """`batch`: events at once; `poll` and `standby`: seconds between looks at the outbox and at the lock."""
        self._db, self._bus, self._clock = db, bus, clock
        self._batch, self._poll, self._standby = batch, poll, standby

    async def run(self, stop: asyncio.Event) -> None:
        """Relays until `stop` is set and the outbox is empty, or the bus or database fails after that."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                # A connection of its own for the whole time: the advisory lock lives and dies with it.
                async with self._db.dedicated() as connection:
                    if await _lead(connection):
                        await self._relay(connection, stop, backoff)
                    else:
                        await wait_for_any(stop, within=self._standby)
            except (DatabaseUnavailable, SQLAlchemyError, OSError) as error:
                _log.warning("outbox relay lost its database", extra={"error_type": type(error).__name__})
                await wait_for_any(stop, within=backoff.failed())

    async def republish(self, from_sequence: int) -> int:
        """Publishes again what the outbox still holds from a sequence on; returns how many events."""
        return await republish(self._db, from_sequence)

    async def _relay(self, connection: AsyncConnection, stop: asyncio.Event, backoff: Backoff) -> None:
        while True:
            stopping = stop.is_set()
            self._db.woken.clear()
            envelopes = await self._next(connection)
            published = await self._publish(envelopes)
            if published:
                await self._mark(connection, envelopes)
                self._measure(envelopes)
                backoff.succeeded()
                if len(envelopes) == self._batch:
                    continue
            if stopping:
                return
            if published:
                await wait_for_any(stop, self._db.woken, within=self._poll)
            else:
                await wait_for_any(stop, within=backoff.failed())

    async def _next(self, connection: AsyncConnection) -> list[Envelope]:
        async with connection.begin():
            if await connection.scalar(select(_TO_NUMBER.exists())):
                await self._number(connection)
        async with connection.begin():
            rows = await connection.execute(_to_publish(self._db.producer).limit(self._batch))
            return [Envelope(**row) for row in rows.mappings()]

    async def _number(self, connection: AsyncConnection) -> None:
        # The lock first: the next statement then sees what a relay before this one has assigned.
        last = (await connection.execute(select(outbox_state.c.last_sequence).with_for_update())).scalar_one()
        ids = (await connection.scalars(_TO_NUMBER.limit(self._batch))).all()
        numbered = [{"row": row, "number": last + place} for place, row in enumerate(ids, start=1)]
        assign = update(outbox).where(outbox.c.id == bindparam("row")).values(sequence=bindparam("number"))
        await connection.execute(assign, numbered)
        await connection.execute(update(outbox_state).values(last_sequence=last + len(ids)))

    async def _publish(self, envelopes: list[Envelope]) -> bool:
        try:
            if envelopes:
                await self._bus.publish(envelopes)
        except Exception as error:  # whatever a bus raises, the events stay and the relay goes on
            extra = {"error_type": type(error).__name__, "count": len(envelopes)}
            _log.warning("publishing failed, trying again", extra=extra)
            return False
        return True

    async def _mark(self, connection: AsyncConnection, envelopes: list[Envelope]) -> None:
        if envelopes:
            done = outbox.c.sequence.in_([envelope.sequence for envelope in envelopes])
            async with connection.begin():
                await connection.execute(delete(outbox).where(done, ~outbox.c.enforced))
                await connection.execute(update(outbox).where(done).values(published_at=self._clock.now()))

    def _measure(self, envelopes: list[Envelope]) -> None:
        for topic, count in Counter(envelope.topic for envelope in envelopes).items():
            metrics.record_published(self._db.producer, topic, count)
        now = self._clock.now()
        waited = max((now - envelope.time for envelope in envelopes), default=timedelta(0))
        metrics.record_outbox_lag(self._db.producer, waited.total_seconds())


async def republish(db: Database, from_sequence: int) -> int:
    """Marks what the outbox still holds from a sequence on as not yet published; returns how many events."""
    published = (outbox.c.sequence >= from_sequence) & outbox.c.published_at.is_not(None)
    async with db.transaction() as transaction:
        result = await transaction.connection.execute(
            update(outbox).where(published).values(published_at=None)
        )
    db.wake()
    return result.rowcount


async def _lead(connection: AsyncConnection) -> bool:
    async with connection.begin():
        return bool(await connection.scalar(select(func.pg_try_advisory_lock(*RELAY_LOCK))))


def _to_publish(producer: str) -> Select[Any]:
    """Selects what is numbered and not published, in order; the columns are named as those of an Envelope."""
    same = (
        outbox.c[name] for name in ("type", "topic", "key", "sequence", "enforced", "traceparent", "data")
    )
    renamed = (
        outbox.c.event_id.label("id"),
        outbox.c.occurred_at.label("time"),
        outbox.c.tenant_id.label("tenant"),
    )
    ready = outbox.c.sequence.is_not(None) & outbox.c.published_at.is_(None)
    return select(*same, *renamed, literal(producer).label("source")).where(ready).order_by(outbox.c.sequence)
