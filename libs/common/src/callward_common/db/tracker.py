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
        self._db, self._source, self._clock, self._interval = db, source, clock, interval
        self._stale_after = stale_after.total_seconds()
        self._heard: tuple[float, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Asks until `stop` is set. An audit or a database that does not answer makes the answer unknown in time."""
        while not stop.is_set():
            try:
                await self.poll()
            except Exception as error:  # whatever fails, what was heard goes stale: `behind` fails closed
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
        oldest = select(outbox.c.occurred_at).where(outbox.c.enforced, not_covered)
        async with self._db.transaction() as transaction:
            occurred_at = await transaction.connection.scalar(oldest.order_by(outbox.c.occurred_at).limit(1))
        return timedelta(0) if occurred_at is None else max(self._clock.now() - occurred_at, timedelta(0))

    async def poll(self) -> None:
        """Asks once. Raises what the source or the database raises."""
        # Read before the question: an answer below what audit had told before it was asked means that it went back.
        _, covered = await self._state()
        asked = self._clock.monotonic()
        sequence = (await self._source.watermark()).sequence
        last, _ = await self._state()
        if sequence > last:
            self._heard = None
            _log.error(
                "audit's watermark is ahead of this producer, whose database went back",
                extra={"sequence": last},
            )
            return
        await self._cover(sequence, went_back=sequence < covered)
        if sequence < covered:
            count = await republish(self._db, sequence + 1)
            extra = {"sequence": sequence, "count": count}
            _log.error("audit's watermark went back: publishing again what is still here", extra=extra)
        self._heard = (asked, sequence)

    async def _state(self) -> tuple[int, int]:
        state = select(outbox_state.c.last_sequence, outbox_state.c.covered)
        async with self._db.transaction() as transaction:
            row = (await transaction.connection.execute(state)).one()
            return row.last_sequence, row.covered

    async def _cover(self, sequence: int, *, went_back: bool) -> None:
        # Unless audit went back, the higher value stays: another replica may have heard a later answer meanwhile.
        differs = outbox_state.c.covered != sequence if went_back else outbox_state.c.covered < sequence
        published = outbox.c.enforced & outbox.c.published_at.is_not(None)
        async with self._db.transaction() as transaction:
            await transaction.connection.execute(update(outbox_state).where(differs).values(covered=sequence))
            await transaction.connection.execute(
                delete(outbox).where(published, outbox.c.sequence <= sequence)
            )
