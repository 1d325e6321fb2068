"""Silence in place of what was masked: never a cut, so that every other sample keeps its moment.

Times are exact: integers of microseconds and frames throughout, no floats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callward_ingest.domain.media import SampleLayout
from callward_ingest.domain.spans import Spans

_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000


class MaskingCode(StrEnum):
    """The stable codes of what can be said about silencing."""

    mask_not_applied = "mask-not-applied"
    mask_left_open = "mask-left-open"


@dataclass(frozen=True, slots=True)
class MaskInterval:
    """A time that is silent: from `start` until before `end`. `kind` is "mask" or "pause".

    `closed_at` is when it was said to end; None when nobody said so. After `end` where it lapsed: what lies between
    is neither silenced nor known to be free.
    """

    start: datetime
    end: datetime
    kind: str
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MaskingReport:
    """What became of the masks in one recording.

    `ranges`: what was silenced, as (start, end) in microseconds of the recording's own clock, in order and apart.
    `reasons`: codes for which it is kept apart. `findings`: codes that only inform.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    reasons: tuple[MaskingCode, ...] = ()
    findings: tuple[MaskingCode, ...] = ()


class Masker:
    """Silences one recording while it passes. Feed it the bytes in order, in pieces of any size.

    A frame is silenced when its time overlaps an interval that is known at the moment its first byte passes.
    """

    def __init__(
        self,
        started_at: datetime,
        intervals: Callable[[], Sequence[MaskInterval]],
        *,
        clock_stated: bool = True,
    ) -> None:
        """`started_at`: when the recording starts by its own clock; `clock_stated` False: nobody said so, it is a guess.

        `intervals` is asked with every piece and at the end: what comes to be known meanwhile counts from then on.
        """
        self._started_at = started_at
        self._intervals = intervals
        self._clock_stated = clock_stated
        self._layout: SampleLayout | None = None
        self._position = 0  # bytes that have passed
        self._silenced = Spans()  # frames
        self._first_free = 0  # frames before this one are decided

    def apply(self, chunk: bytes, layout: SampleLayout | None) -> bytes:
        """Returns the chunk with silence where it is masked: the same length, the header untouched.

        `layout`: of the recording, as far as it is known once this chunk has been looked at. What passes before it
        is known is held to be header; where it turns out to be sound after all, `finish` says so.
        """
        start = self._pass(len(chunk), layout)
        wanted = self._decide(start)
        if not wanted or self._layout is None:
            return chunk
        out = bytearray(chunk)
        for first, last in wanted:
            _silence(out, start, self._layout, first, last)
        return bytes(out)

    def resume(self, stored: bytes, layout: SampleLayout | None) -> None:
        """Takes bytes that were stored earlier, as they were stored: for a recording that is taken up again.

        What of them is masked and is silence counts as silenced; what is not passed unmasked.
        """
        start = self._pass(len(stored), layout)
        if self._layout is None:
            return
        for first, last in self._decide(start):
            begin, end = _bytes_of(self._layout, first, last, start, len(stored))
            if stored[begin:end] != _silent_bytes(self._layout, start + begin, end - begin):
                self._silenced.remove(first, last)

    def finish(self, *, length: timedelta | None = None) -> MaskingReport:
        """Says what was silenced, and whether something that is known now to be masked was not.

        `length` of the recording where it is not sample-addressable and yet known: only masks within it count.
        """
        intervals = self._intervals()
        # Where nobody stated a clock, nobody knows what of it any mask is about.
        misplaced = not self._clock_stated and any(each.start != each.closed_at for each in intervals)
        if self._layout is None:
            return self._unaddressable(intervals, length, misplaced=misplaced)
        total = self._frames_passed(self._layout)
        reasons: list[MaskingCode] = []
        wanted = [self._frames(self._layout, each) for each in intervals]
        wanted = [(first, min(last, total)) for first, last in wanted if first < min(last, total)]
        applied = all(self._silenced.covers(first, last) for first, last in wanted)
        if not applied or misplaced:
            reasons.append(MaskingCode.mask_not_applied)
        if any(self._exceeds(self._layout, each, total) for each in intervals):
            reasons.append(MaskingCode.mask_left_open)
        open_here = [each for each in intervals if each.closed_at is None]
        left = any(self._frames(self._layout, each)[0] < total for each in open_here)
        informs = left and MaskingCode.mask_left_open not in reasons
        ranges = tuple(self._times(self._layout, first, min(last, total)) for first, last in self._silenced)
        return MaskingReport(ranges, tuple(reasons), (MaskingCode.mask_left_open,) if informs else ())

    def _pass(self, size: int, layout: SampleLayout | None) -> int:
        if self._layout is None and layout is not None:
            self._layout = layout
            # Frames that passed before anybody knew that they were sound.
            self._first_free = self._frames_passed(layout)
        start = self._position
        self._position += size
        return start

    def _decide(self, start: int) -> list[tuple[int, int]]:
        """Decides on the frames that begin in what just passed; returns those to silence, with the one under way."""
        layout = self._layout
        if layout is None:
            return []
        stop = self._frames_passed(layout)
        for each in self._intervals():
            first, last = self._frames(layout, each)
            self._silenced.add(max(first, self._first_free), min(last, stop))
        self._first_free = max(self._first_free, stop)
        under_way = max(start - layout.data_offset, 0) // layout.block_align
        return self._silenced.within(under_way, stop)

    def _frames_passed(self, layout: SampleLayout) -> int:
        """Gives how many frames have begun."""
        sound = max(self._position - layout.data_offset, 0)
        if layout.data_size is not None:
            sound = min(sound, layout.data_size)
        return -(-sound // layout.block_align)

    def _frames(self, layout: SampleLayout, interval: MaskInterval) -> tuple[int, int]:
        """Gives the frames that overlap an interval: the first, and the one after the last."""
        if interval.end <= interval.start:
            return 0, 0
        begin = (interval.start - self._started_at) // _MICROSECOND * layout.sample_rate // _SECOND
        return max(begin, 0), self._frames_until(layout, interval.end)

    def _frames_until(self, layout: SampleLayout, moment: datetime) -> int:
        """Gives how many frames begin before a moment."""
        return max(-(-((moment - self._started_at) // _MICROSECOND * layout.sample_rate) // _SECOND), 0)

    def _times(self, layout: SampleLayout, first: int, last: int) -> tuple[int, int]:
        """Gives the time that frames take, rounded outwards to the microsecond."""
        return first * _SECOND // layout.sample_rate, -(-last * _SECOND // layout.sample_rate)

    def _exceeds(self, layout: SampleLayout, interval: MaskInterval, total: int) -> bool:
        """Tells whether there is sound after a mask lapsed and before anybody said that it had ended."""
        if interval.closed_at is not None and interval.closed_at <= interval.end:
            return False
        stop = total if interval.closed_at is None else self._frames_until(layout, interval.closed_at)
        return self._frames_until(layout, interval.end) < min(stop, total)

    def _unaddressable(
        self, intervals: Sequence[MaskInterval], length: timedelta | None, *, misplaced: bool
    ) -> MaskingReport:
        ends_at = None if length is None else self._started_at + length
        for each in intervals:
            before = each.closed_at is not None and each.closed_at <= self._started_at
            after = ends_at is not None and each.start >= ends_at
            within = each.start != each.closed_at and not (before or after)
            if self._position and (within or misplaced):
                return MaskingReport(reasons=(MaskingCode.mask_not_applied,))
        return MaskingReport()


def _silence(out: bytearray, position: int, layout: SampleLayout, first: int, last: int) -> None:
    """Silences frames in a chunk that begins at `position`, as far as they lie in it."""
    begin, end = _bytes_of(layout, first, last, position, len(out))
    out[begin:end] = _silent_bytes(layout, position + begin, end - begin)


def _bytes_of(layout: SampleLayout, first: int, last: int, position: int, size: int) -> tuple[int, int]:
    """Gives where frames lie in a chunk of `size` bytes that begins at `position`."""
    stop = last * layout.block_align
    if layout.data_size is not None:
        stop = min(stop, layout.data_size)
    begin = max(layout.data_offset + first * layout.block_align - position, 0)
    return begin, max(min(layout.data_offset + stop - position, size), begin)


def _silent_bytes(layout: SampleLayout, position: int, count: int) -> bytes:
    """Gives `count` bytes of silence as they stand from `position` on."""
    frame = layout.silence
    phase = (position - layout.data_offset) % len(frame)
    return (frame * ((phase + count) // len(frame) + 1))[phase : phase + count]
