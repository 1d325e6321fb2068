"""The loop of a consumer: each event handled once, in the transaction that remembers it."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.message import Message
from opentelemetry.trace import SpanKind
from sqlalchemy import insert
from sqlalchemy.dialects import postgresql

from callward_common.clock import Clock
from callward_common.db.database import Database
from callward_common.db.tables import dead_letters, inbox
from callward_common.db.transaction import Transaction
from callward_common.db.waiting import Backoff, wait_for_any
from callward_common.errors import CallwardError, Category
from callward_common.events.bus import CommitRefused, Delivery, EventBus, Partition, Subscription
from callward_common.events.envelope import Envelope
from callward_common.events.options import topic_of
from callward_common.telemetry import metrics, names, tracing

_log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

#: Handles an event within the transaction: whatever it raises undoes both, and the event is tried again.
Handler = Callable[[Transaction, Envelope, M], Awaitable[None]]

#: Failures of what the handler needs, not of the event: tried again without end.
_OUTAGES = frozenset({Category.unavailable, Category.deadline, Category.rate})


class DeadLetterLimitExceeded(CallwardError):
    """A consumer gave up too many events in too short a time: the fault is not in the events, so it stops."""

    type = "dead-letter-limit-exceeded"
    title = "Too many events could not be handled"


class EventConsumer:
    """Hands the events of its topics to handlers, by type; other types are passed over.

    An event that cannot be handled becomes a dead letter after `tries`; more than `dead_limit` of them within
    `dead_window` end `run` with DeadLetterLimitExceeded.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        db: Database,
        group: str,
        handlers: Mapping[type[Message], Handler[Any]],
        clock: Clock,
        topics: Sequence[str] | None = None,
        max_records: int = 100,
        fetch_timeout: float = 0.5,
        tries: int = 5,
        dead_limit: int = 10,
        dead_window: timedelta = timedelta(seconds=60),
        retry_after: float = 0.1,
    ) -> None:
        """`topics`: those of the handlers' types unless given; `retry_after`: seconds, doubling with each try."""
        self.name = f"consumer-{group}"
        self.topics = sorted(set(topics or {topic_of(kind) for kind in handlers}))
        if not all(self.topics):
            raise ValueError("a handled message declares no topic")
        self._bus, self._db, self._group, self._clock = bus, db, group, clock
        self._handlers = {kind.DESCRIPTOR.full_name: (kind, handler) for kind, handler in handlers.items()}
        self._max_records, self._fetch_timeout = max_records, fetch_timeout
        self._tries, self._retry_after = tries, retry_after
        self._dead_limit, self._dead_window = dead_limit, dead_window.total_seconds()
        self._deaths: deque[float] = deque()

    async def run(self, stop: asyncio.Event) -> None:
        """Consumes until `stop` is set and the event in hand is done; its position is committed."""
        backoff = Backoff()
        subscription: Subscription | None = None
        try:
            while not stop.is_set():
                try:
                    subscription = subscription or await self._bus.subscribe(self._group, self.topics)
                    await self._batch(subscription, stop)
                    backoff.succeeded()
                except CallwardError as error:
                    if error.category not in _OUTAGES:
                        raise
                    _log.warning("the event bus does not answer", extra={"group": self._group})
                    # It has read past what was not handled: the next one begins where the group has committed.
                    if subscription is not None:
                        closing, subscription = subscription, None
                        await closing.close()
                    await wait_for_any(stop, within=backoff.failed())
        finally:
            if subscription is not None:
                await subscription.close()

    async def _batch(self, subscription: Subscription, stop: asyncio.Event) -> None:
        positions: dict[Partition, int] = {}
        try:
            for delivery in await subscription.fetch(self._max_records, self._fetch_timeout):
                if not await self._deliver(delivery, stop):
                    break
                positions[delivery.partition] = delivery.offset + 1
        finally:
            try:
                if positions:
                    await subscription.commit(positions)
            except CommitRefused:
                # Another member owns the partition now and reads these events again: the inbox knows them.
                _log.info("commit refused after a rebalance", extra={"group": self._group})

    async def _deliver(self, delivery: Delivery, stop: asyncio.Event) -> bool:
        """Returns true when the delivery is done with, false when `stop` came first."""
        backoff, tried = Backoff(first=self._retry_after), 0
        while not stop.is_set():
            try:
                await self._handle(delivery.envelope)
                return True
            except Exception as error:  # a handler may raise anything; it is counted and named, not shown
                cause = type(error).__name__
                tried += not _is_outage(error)
            event = {"event_id": delivery.envelope.id, "event_type": delivery.envelope.type}
            extra = {"group": self._group, **event, "error_type": cause, "attempt": tried}
            _log.warning("an event could not be handled", extra=extra)
            self._measure(delivery.envelope, "dead" if tried >= self._tries else "retried")
            if tried >= self._tries:
                await self._bury(delivery, cause)
                return True
            await wait_for_any(stop, within=backoff.failed())
        return False

    async def _handle(self, envelope: Envelope) -> None:
        found = self._handlers.get(envelope.type)
        if found is None:
            return
        kind, handler = found
        attributes = {
            names.TOPIC: envelope.topic,
            names.EVENT_TYPE: envelope.type,
            names.EVENT_ID: envelope.id,
        }
        parent = tracing.extract(envelope.traceparent)
        with tracing.span(f"{self.name} process", attributes, kind=SpanKind.CONSUMER, parent=parent):
            async with self._db.transaction(envelope.tenant or None) as transaction:
                new = await self._is_new(transaction, envelope.id)
                if new:
                    await handler(transaction, envelope, envelope.parse(kind))
        self._measure(envelope, "ok" if new else "skipped")

    def _measure(self, envelope: Envelope, outcome: str) -> None:
        metrics.record_consumed(self._db.producer, envelope.type, outcome)

    async def _is_new(self, transaction: Transaction, event_id: str) -> bool:
        row = {"consumer": self._group, "event_id": event_id, "handled_at": self._clock.now()}
        statement = postgresql.insert(inbox).values(row).on_conflict_do_nothing().returning(inbox.c.event_id)
        return (await transaction.connection.execute(statement)).first() is not None

    async def _bury(self, delivery: Delivery, cause: str) -> None:
        now = self._clock.monotonic()
        while self._deaths and now - self._deaths[0] > self._dead_window:
            self._deaths.popleft()
        if len(self._deaths) >= self._dead_limit:
            raise DeadLetterLimitExceeded(f"{self.name} gave up {self._dead_limit} events and met another.")
        self._deaths.append(now)
        envelope, (topic, partition) = delivery.envelope, delivery.partition
        letter = {
            "consumer": self._group,
            "event_id": envelope.id,
            "topic": topic,
            "partition": partition,
            "position": delivery.offset,
            "type": envelope.type,
            "tenant_id": envelope.tenant,
            "cause": cause,
            "tries": self._tries,
            "dead_at": self._clock.now(),
        }
        async with self._db.transaction() as transaction:
            if await self._is_new(transaction, envelope.id):
                await transaction.connection.execute(insert(dead_letters).values(letter))


def _is_outage(error: Exception) -> bool:
    return isinstance(error, OSError) or (isinstance(error, CallwardError) and error.category in _OUTAGES)
