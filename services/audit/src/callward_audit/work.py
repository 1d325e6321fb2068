"""What audit does all the time: write the ledger, have checkpoints signed."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from callward_audit.app.checkpoints import Checkpoints
from callward_audit.app.ledger import LedgerApp
from callward_audit.domain.model import Fact
from callward_audit.domain.ocsf import demand_shape
from callward_audit.facts import fact
from callward_audit.ports import Ledger
from callward_common.db import Database
from callward_common.db.waiting import Backoff, wait_for_any
from callward_common.errors import CallwardError, Category
from callward_common.events.bus import CommitRefused, Delivery, EventBus, Partition, Subscription
from callward_common.events.envelope import Envelope

_log = logging.getLogger(__name__)

GROUP = "audit"
#: Failures of what the writer needs, not of the events: waited out.
_OUTAGES = frozenset({Category.unavailable, Category.deadline, Category.rate})
#: An advisory lock of this database only: who holds it is the writer.
WRITER_LOCK = 0x6C6564676572


class LedgerWriter:
    """Consumes every topic and puts each event on record. It skips nothing: what it cannot record halts it."""

    name = "ledger-writer"

    def __init__(
        self,
        db: Database,
        bus: EventBus,
        app: LedgerApp,
        ledger: Ledger,
        topics: Sequence[str],
        *,
        batch: int,
    ) -> None:
        self._db = db
        self._bus = bus
        self._app = app
        self._ledger = ledger
        self._topics = topics
        self._batch = batch
        self._leads = False

    def leads(self) -> bool:
        """Say whether this process is the writer, as far as it knows."""
        return self._leads

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set. While the database or the bus is away it waits; events stay where they are.

        A writer that was fenced off stands by again. Whatever else goes wrong ends it: audit stands still.
        """
        backoff = Backoff()
        while not stop.is_set():
            try:
                await self._lead(stop, backoff)
            except CallwardError as error:
                if error.category not in _OUTAGES:
                    raise
                _log.warning("the ledger's writer waits for a dependency", extra={"error_type": error.type})
                await wait_for_any(stop, within=backoff.failed())

    async def _lead(self, stop: asyncio.Event, backoff: Backoff) -> None:
        async with self._db.dedicated(autocommit=True) as connection:
            while not await connection.scalar(sa.select(sa.func.pg_try_advisory_lock(WRITER_LOCK))):
                await wait_for_any(stop, within=1.0)
                if stop.is_set():
                    return
            epoch = await self._ledger.begin_epoch()
            subscription = await self._bus.subscribe(GROUP, self._topics, positions=self._ledger.position)
            self._leads = True
            try:
                while not stop.is_set():
                    deliveries = await subscription.fetch(self._batch, 0.25)
                    if deliveries:
                        await self._record(epoch, subscription, deliveries)
                    backoff.succeeded()
            finally:
                self._leads = False
                await subscription.close()

    async def _record(self, epoch: int, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        positions: dict[Partition, int] = {}
        for delivery in deliveries:
            positions[delivery.partition] = delivery.offset + 1
        facts = [_readable(delivery.envelope) for delivery in deliveries]
        await self._app.append(epoch, facts, positions)
        try:
            await subscription.commit(positions)
        except CommitRefused:
            # The positions in the ledger count; those of the bus only tell others how far audit is.
            _log.info("the bus refused a commit after a rebalance")


def _readable(envelope: Envelope) -> Fact:
    """Return the fact of an event that has a place in the record. Raises, with an alarm, for any other."""
    try:
        demand_shape(envelope.type)
        return fact(envelope)
    except CallwardError as error:
        extra = {"event_id": envelope.id, "event_type": envelope.type, "error_type": error.type}
        _log.critical("the ledger stands still: an event cannot be put on record", extra=extra)
        raise


class CheckpointWriter:
    """Has the newest log's head signed at least once an interval while events flow and this process writes them."""

    name = "checkpoint-writer"

    def __init__(self, checkpoints: Checkpoints, leads: Callable[[], bool], *, interval: float) -> None:
        self._checkpoints = checkpoints
        self._leads = leads
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Sign until `stop` is set. A refusal is an alarm, and is tried again."""
        backoff = Backoff(first=self._interval, limit=30.0)
        while not stop.is_set():
            wait = self._interval
            try:
                if self._leads():
                    await self._checkpoints.sign_if_grown()
                backoff.succeeded()
            except CallwardError as error:
                wait = backoff.failed()
                _log.error("a checkpoint was not signed", extra={"error_type": error.type})
            await wait_for_any(stop, within=wait)
