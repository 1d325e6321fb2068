"""What audit does all the time: write the ledger, have checkpoints signed."""

import asyncio
import logging
from collections.abc import Sequence

import sqlalchemy as sa

from callward_audit.app.checkpoints import Checkpoints
from callward_audit.app.ledger import LedgerApp
from callward_audit.facts import fact
from callward_audit.ports import Ledger
from callward_common.db import Database
from callward_common.db.waiting import Backoff, wait_for_any
from callward_common.errors import CallwardError, Unavailable
from callward_common.events.bus import CommitRefused, Delivery, EventBus, Partition, Subscription

_log = logging.getLogger(__name__)

GROUP = "audit"
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

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set. While the database or the bus is away it waits; events stay where they are."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                await self._lead(stop, backoff)
            except Unavailable as error:
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
            try:
                while not stop.is_set():
                    deliveries = await subscription.fetch(self._batch, 0.25)
                    if deliveries:
                        await self._record(epoch, subscription, deliveries)
                    backoff.succeeded()
            finally:
                await subscription.close()

    async def _record(self, epoch: int, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        positions: dict[Partition, int] = {}
        for delivery in deliveries:
            positions[delivery.partition] = delivery.offset + 1
        await self._app.append(epoch, [fact(delivery.envelope) for delivery in deliveries], positions)
        try:
            await subscription.commit(positions)
        except CommitRefused:
            # The positions in the ledger count; those of the bus only tell others how far audit is.
            _log.info("the bus refused a commit after a rebalance")


class CheckpointWriter:
    """Has the newest log's head signed at least once an interval while events flow."""

    name = "checkpoint-writer"

    def __init__(self, checkpoints: Checkpoints, *, interval: float) -> None:
        self._checkpoints = checkpoints
        self._interval = interval

    async def run(self, stop: asyncio.Event) -> None:
        """Sign until `stop` is set. A refusal is an alarm, and is tried again."""
        backoff = Backoff(first=self._interval, limit=30.0)
        while not stop.is_set():
            wait = self._interval
            try:
                await self._checkpoints.sign_if_grown()
                backoff.succeeded()
            except CallwardError as error:
                wait = backoff.failed()
                _log.error("a checkpoint was not signed", extra={"error_type": error.type})
            await wait_for_any(stop, within=wait)
