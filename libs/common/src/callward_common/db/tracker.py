"""How far audit is behind this producer, and what of the outbox it has covered."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import delete, select, update

from callward_common.clock import Clock
from callward_common.db.database import Database
from callward_common.db.relay import republish
from callward_common.db.tables import outbox, outbox_state
from callward_common.db.waiting import wait_for_any
from callward_common.events.watermark import WatermarkSource

_log = logging.getLogger(__name__)


class WatermarkTracker:
    """Asks audit for this producer's watermark and lets go of the enforced events that it covers."""

    name = "watermark-tracker"

    def __init__(
        self,
        db: Database,
        source: WatermarkSource,
        clock: Clock,
        *,
        interval: float = 1.0,
        stale_after: timedelta = timedelta(seconds=10),
    ) -> None:
        """`interval`: seconds between questions; `stale_after`: how long an answer says anything."""
        self._db = db
        self._source = source
        self._clock = clock
        self._interval = interval
        self._stale_after = stale_after.total_seconds()
        self._heard: tuple[float, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Asks until `stop` is set. An audit or a database that does not answer makes the answer unknown in time."""
        while not stop.is_set():
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001  # whatever fails, what was heard goes stale and `behind` fails closed
                _log.warning("the watermark is not known", extra={"error_type": type(error).__name__})
            await wait_for_any(stop, within=self._interval)

    async def behind(self) -> timedelta | None:
        """Returns the age of the oldest enforced event that audit does not have, zero when it has all.

        Events that are not yet published count. None: unknown, since audit never answered, or not of late, or
        with a watermark that cannot be true. Whoever needs audit treats None as too far behind.
        """
        if self._heard is None or self._clock.monotonic() - self._heard[0] > self._stale_after:
            return None
        not_covered = outbox.c.sequence.is_(None) | (outbox.c.sequence > self._heard[1])
        oldest = (
            select(outbox.c.occurred_at)
            .where(outbox.c.enforced, not_covered)
            .order_by(outbox.c.occurred_at)
            .limit(1)
        )
        async with self._db.transaction() as transaction:
            occurred_at = await transaction.connection.scalar(oldest)
        return timedelta(0) if occurred_at is None else max(self._clock.now() - occurred_at, timedelta(0))

    async def poll(self) -> None:
        """Asks once. Raises what the source or the database raises."""
        # Read before the question: an answer below what audit had told before it was asked means that it went back.
        async with self._db.transaction() as transaction:
            covered = (await transaction.connection.execute(select(outbox_state.c.covered))).scalar_one()
        asked = self._clock.monotonic()
        sequence = (await self._source.watermark()).sequence
        async with self._db.transaction() as transaction:
            last = (await transaction.connection.execute(select(outbox_state.c.last_sequence))).scalar_one()
        if sequence > last:
            self._heard = None
            _log.error(
                "audit's watermark is ahead of this producer: its database went back",
                extra={"sequence": last},
            )
            return
        if sequence < covered:
            await self._went_back(sequence)
        else:
            await self._cover(sequence, advance=sequence > covered)
        self._heard = (asked, sequence)

    async def _cover(self, sequence: int, *, advance: bool) -> None:
        published = outbox.c.enforced & outbox.c.published_at.is_not(None)
        async with self._db.transaction() as transaction:
            if advance:
                # Another replica may have heard a later answer meanwhile.
                higher = (
                    update(outbox_state).where(outbox_state.c.covered < sequence).values(covered=sequence)
                )
                await transaction.connection.execute(higher)
            await transaction.connection.execute(
                delete(outbox).where(published, outbox.c.sequence <= sequence)
            )

    async def _went_back(self, sequence: int) -> None:
        async with self._db.transaction() as transaction:
            await transaction.connection.execute(update(outbox_state).values(covered=sequence))
        count = await republish(self._db, sequence + 1)
        self._db.wake()
        _log.error(
            "audit's watermark went back: publishing again what is still here",
            extra={"sequence": sequence, "count": count},
        )
