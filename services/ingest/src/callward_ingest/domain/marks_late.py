"""What comes too late: recordings that were sealed before a mask for their time was stated.

Nothing that is sealed ever changes. The sender is told at once, so that it can have such a recording destroyed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from callward_ingest.domain.legs import overlap
from callward_ingest.domain.marks import SILENCING, NewMark
from callward_ingest.domain.spans import Spans

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KeptSound:
    """A recording that is kept: when it starts and how long it is, and the (start, end) that are silenced, in µs."""

    recording_id: str
    leg_id: str | None
    started_at: datetime
    length: timedelta
    masked: tuple[tuple[int, int], ...] = ()


def kept_in_spite(mark: NewMark, kept: Iterable[KeptSound], longest: timedelta) -> tuple[str, ...]:
    """Gives the ids of kept recordings that hold sound which this mark asks to be silenced."""
    if mark.kind not in SILENCING:
        return ()
    end = mark.until or mark.at + longest
    return tuple(
        each.recording_id
        for each in kept
        if overlap(mark.leg_id, each.leg_id) and sounds_within(each, mark.at, end)
    )


def sounds_within(kept: KeptSound, start: datetime, end: datetime) -> bool:
    """Tells whether the recording holds sound of this time that is not silenced."""
    first = max((start - kept.started_at) // _MICROSECOND, 0)
    stop = min((end - kept.started_at) // _MICROSECOND, kept.length // _MICROSECOND)
    silent = Spans()
    for begin, after in kept.masked:
        silent.add(begin, after)
    return first < stop and not silent.covers(first, stop)
