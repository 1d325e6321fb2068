"""What is masked, as it comes to be known: to uploads that take a moment, and to those that run for hours."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from weakref import WeakValueDictionary

from callward_common.clock import Clock
from callward_ingest.domain.marks import NewMark, silences
from callward_ingest.domain.masking import MaskInterval
from callward_ingest.ports import Units

MAX_AGE_SECONDS = 1.0
"""How old what is known may be: a mark that another process took is seen by then."""


class _Known:
    """What is known of the marks of one call. All watches of a call share it."""

    def __init__(self) -> None:
        self.marks: Sequence[NewMark] = ()
        self.lock = asyncio.Lock()
        self.read_at = float("-inf")
        # How often something new was announced, and how much of that the last reading took in.
        self.announced = 0
        self.seen = 0


class Masks:
    """Implements MaskIntervals over the database. A call without marks costs one look at an index a second."""

    def __init__(self, units: Units, clock: Clock, *, longest: timedelta) -> None:
        """`longest`: how long a mask lasts at most."""
        self._units, self._clock, self._longest = units, clock, longest
        # Weak: what nobody watches any more is forgotten.
        self._calls: WeakValueDictionary[tuple[str, str], _Known] = WeakValueDictionary()

    async def watch(self, tenant: str, call_id: str, leg_id: str | None) -> "Watch":
        """Returns a watch that has been refreshed once; `leg_id` None: the recording holds the whole call."""
        known = self._calls.setdefault((tenant, call_id), _Known())
        watch = Watch(self, known, tenant, call_id, leg_id, self._longest)
        await watch.refresh()
        return watch

    def forget(self, tenant: str, call_id: str) -> None:
        """Has what is known of a call read again: a mark was put on record here."""
        known = self._calls.get((tenant, call_id))
        if known is not None:
            known.announced += 1

    async def read(self, tenant: str, call_id: str, known: _Known, *, force: bool) -> None:
        """Reads what is new, unless what is known is fresh."""
        if not force and self._fresh(known):
            return
        async with known.lock:
            if not force and self._fresh(known):
                return
            # Before reading: a mark that comes meanwhile is read again.
            announced, now = known.announced, self._clock.monotonic()
            async with self._units.begin(tenant) as unit:
                if await unit.marks.count(call_id) != len(known.marks):
                    known.marks = await unit.marks.stated(call_id)
            known.seen, known.read_at = announced, now

    def _fresh(self, known: _Known) -> bool:
        young = self._clock.monotonic() - known.read_at < MAX_AGE_SECONDS
        return young and known.seen == known.announced


class Watch:
    """Implements MaskWatch for one recording."""

    def __init__(
        self,
        masks: Masks,
        known: _Known,
        tenant: str,
        call_id: str,
        leg_id: str | None,
        longest: timedelta,
    ) -> None:
        self._masks, self._known, self._longest = masks, known, longest
        self._tenant, self._call_id, self._leg_id = tenant, call_id, leg_id
        self._intervals: tuple[MaskInterval, ...] = ()
        self._position = 0

    def __call__(self) -> Sequence[MaskInterval]:
        """Returns when the recording is silenced, in order, without asking anybody."""
        if self._position != len(self._known.marks):
            self._intervals = silences(self._known.marks, self._leg_id, self._longest)
            self._position = len(self._known.marks)
        return self._intervals

    @property
    def position(self) -> int:
        """How many marks of the call are known."""
        return len(self._known.marks)

    async def refresh(self, *, force: bool = False) -> None:
        """Reads what is new, at most once a second, at once after a mark of this process, or when forced to."""
        await self._masks.read(self._tenant, self._call_id, self._known, force=force)
