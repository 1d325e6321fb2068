"""The rules of control marks: order, silence, what has to be heard, what came too late."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.errors import EvidenceSilenced, MarkOutOfOrder, MaskTooLong
from callward_ingest.domain.legs import overlap
from callward_ingest.domain.marks import (
    ENDS,
    SILENCING,
    MarkKind,
    NewMark,
    Spoken,
    demand_audible,
    demand_heard,
    demand_in_order,
    demand_mask_length,
    silences,
)
from callward_ingest.domain.marks_late import KeptSound, kept_in_spite
from callward_ingest.domain.masking import MaskInterval
from tests.support.clock import START

LONGEST = timedelta(seconds=20)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def mark(kind: str, second: float, leg: str | None = None, until: float | None = None) -> NewMark:
    reason = "card-data" if kind in ("mask", "pause") else ""
    return NewMark(MarkKind(kind), at(second), leg, reason, None if until is None else at(until))


def shown(intervals: Sequence[MaskInterval]) -> list[tuple[float, float, float | None]]:
    """Seconds: start, end, and when it was said to end."""
    return [
        (
            (each.start - START).total_seconds(),
            (each.end - START).total_seconds(),
            None if each.closed_at is None else (each.closed_at - START).total_seconds(),
        )
        for each in intervals
    ]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], []),
        ([mark("mask", 1), mark("unmask", 3)], [(1, 3, 3)]),
        ([mark("pause", 1), mark("resume", 3)], [(1, 3, 3)]),
        ([mark("hold", 1), mark("unhold", 3)], []),
        ([mark("mask", 1)], [(1, 21, None)]),
        ([mark("mask", 1), mark("unmask", 40)], [(1, 21, 40)]),
        ([mark("mask", 1), mark("mask", 15)], [(1, 35, None)]),
        ([mark("mask", 1), mark("mask", 15), mark("unmask", 16)], [(1, 16, 16)]),
        ([mark("mask", 1), mark("mask", 30), mark("unmask", 31)], [(1, 21, 30), (30, 31, 31)]),
        ([mark("mask", 5), mark("unmask", 9), mark("mask", 9)], [(5, 9, 9), (9, 29, None)]),
        ([mark("mask", 5), mark("unmask", 5)], [(5, 5, 5)]),
        ([mark("mask", 5, until=8)], [(5, 8, 8)]),
        ([mark("mask", 5, until=8), mark("mask", 6), mark("unmask", 7)], [(5, 8, 8), (6, 7, 7)]),
        ([mark("mask", 5), mark("unmask", 9), mark("mask", 3)], [(3, 9, 9)]),
        ([mark("mask", 1), mark("pause", 2), mark("unmask", 3), mark("resume", 4)], [(1, 3, 3), (2, 4, 4)]),
    ],
)
def test_what_is_silent_follows_from_the_marks(
    marks: list[NewMark], expected: list[tuple[float, float, float | None]]
) -> None:
    assert shown(silences(marks, None, LONGEST)) == expected


def test_a_leg_is_silenced_by_its_own_marks_and_by_those_of_the_whole_call() -> None:
    marks = [
        mark("mask", 1, "a"),
        mark("unmask", 2, "a"),
        mark("mask", 3),
        mark("unmask", 4),
        mark("pause", 5, "b"),
        mark("resume", 6, "b"),
    ]
    assert shown(silences(marks, "a", LONGEST)) == [(1, 2, 2), (3, 4, 4)]
    assert shown(silences(marks, "b", LONGEST)) == [(3, 4, 4), (5, 6, 6)]
    assert shown(silences(marks, "c", LONGEST)) == [(3, 4, 4)]
    assert shown(silences(marks, None, LONGEST)) == [(1, 2, 2), (3, 4, 4), (5, 6, 6)], "it holds every leg"


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ([], mark("unmask", 1)),
        ([], mark("resume", 1)),
        ([], mark("unhold", 1)),
        ([mark("mask", 1)], mark("resume", 2)),
        ([mark("pause", 1)], mark("unmask", 2)),
        ([mark("mask", 1, "a")], mark("unmask", 2)),
        ([mark("mask", 1)], mark("unmask", 2, "a")),
        ([mark("mask", 1, "a")], mark("unmask", 2, "b")),
        ([mark("mask", 1), mark("unmask", 2)], mark("unmask", 3)),
        ([mark("mask", 1, until=5)], mark("unmask", 3)),
        # Taking silence away that was promised:
        ([mark("mask", 5)], mark("unmask", 4)),
        ([mark("mask", 1), mark("unmask", 9)], mark("unmask", 5)),
        ([mark("mask", 1), mark("mask", 9)], mark("unmask", 5)),
    ],
)
def test_an_end_needs_a_beginning_of_its_own_leg_and_comes_last(known: list[NewMark], new: NewMark) -> None:
    with pytest.raises(MarkOutOfOrder):
        demand_in_order(new, known)


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ([], mark("mask", 1)),
        ([mark("mask", 1)], mark("mask", 2)),
        ([mark("mask", 1)], mark("unmask", 1)),
        ([mark("mask", 1)], mark("unmask", 500)),
        ([mark("mask", 1), mark("unmask", 2), mark("mask", 3)], mark("unmask", 4)),
        ([mark("hold", 1)], mark("unhold", 2)),
        ([mark("mask", 9), mark("unmask", 12)], mark("mask", 2, until=4)),
        ([], mark("transfer", 1)),
        ([], mark("announcement-played", 1)),
        ([], mark("leg-added", 1, "a")),
    ],
)
def test_what_fits_is_taken(known: list[NewMark], new: NewMark) -> None:
    demand_in_order(new, known)


def seconds(value: NewMark, leg: str | None, marks: Sequence[NewMark]) -> set[int]:
    found = silences(marks, leg, LONGEST)
    return {n for n in range(120) if any(each.start <= at(n) < each.end for each in found)}


MARKS = st.builds(
    mark,
    st.sampled_from(["mask", "unmask", "pause", "resume", "hold", "unhold"]),
    st.integers(0, 60),
    st.sampled_from([None, "a", "b"]),
)
MASKS = st.builds(
    lambda second, length, leg: mark("mask", second, leg, second + length),
    st.integers(0, 60),
    st.integers(1, 20),
    st.sampled_from([None, "a", "b"]),
)


@given(st.lists(st.one_of(MARKS, MASKS), max_size=12), st.sampled_from([None, "a", "b"]))
def test_no_mark_ever_reveals_what_lies_before_it(stated: list[NewMark], leg: str | None) -> None:
    """Whatever is stated in whatever order: the silence before a mark's own moment only grows."""
    known: list[NewMark] = []
    for new in stated:
        before = seconds(new, leg, known)
        try:
            demand_in_order(new, known)
        except MarkOutOfOrder:
            assert new.kind in ENDS
            continue
        known.append(new)
        after = seconds(new, leg, known)
        moment = int((new.at - START).total_seconds())
        assert {n for n in before if n < moment} <= after
        if new.kind not in ENDS:
            assert before <= after
        if new.kind in SILENCING and overlap(new.leg_id, leg):
            assert moment in after
        intervals = silences(known, leg, LONGEST)
        assert all(each.closed_at is None or each.end <= each.closed_at for each in intervals)


def test_a_mask_known_beforehand_is_no_longer_than_masks_may_be() -> None:
    demand_mask_length(mark("mask", 1, until=21), LONGEST)
    demand_mask_length(mark("mask", 1), LONGEST)
    with pytest.raises(MaskTooLong) as refused:
        demand_mask_length(mark("mask", 1, until=21.000_001), LONGEST)
    assert refused.value.extra == {"limit": 20}


@pytest.mark.parametrize(
    ("new", "known", "spoken"),
    [
        (mark("announcement-played", 5), [mark("pause", 1)], []),
        (mark("announcement-played", 5), [mark("mask", 1, "a")], []),
        (mark("announcement-played", 5, "a"), [mark("mask", 1)], []),
        (mark("pause", 4), [mark("announcement-played", 5)], []),
        (mark("mask", 4, until=6), [mark("announcement-played", 5)], []),
        (mark("mask", 4, "a"), [mark("announcement-played", 5, "a")], []),
        (mark("pause", 5), [], [5]),
        (mark("mask", 4, "a"), [], [5]),
    ],
)
def test_a_pause_hides_no_announcement_and_no_spoken_consent(
    new: NewMark, known: list[NewMark], spoken: list[float]
) -> None:
    with pytest.raises(EvidenceSilenced):
        demand_heard(new, known, [Spoken(at(second)) for second in spoken], LONGEST)


@pytest.mark.parametrize(
    ("new", "known", "spoken"),
    [
        (mark("announcement-played", 5), [mark("pause", 1), mark("resume", 5)], []),
        (mark("announcement-played", 5), [mark("hold", 1)], []),
        (mark("announcement-played", 5, "b"), [mark("mask", 1, "a")], []),
        (mark("announcement-played", 22), [mark("mask", 1)], []),
        (mark("pause", 6), [mark("announcement-played", 5)], [5]),
        (mark("mask", 4, "b"), [mark("announcement-played", 5, "a")], []),
        (mark("mask", 1, until=5), [mark("announcement-played", 5)], [5]),
        (mark("hold", 4), [mark("announcement-played", 5)], [5]),
    ],
)
def test_what_hides_nothing_is_taken(new: NewMark, known: list[NewMark], spoken: list[float]) -> None:
    demand_heard(new, known, [Spoken(at(second)) for second in spoken], LONGEST)


def test_evidence_that_was_spoken_into_silence_is_none() -> None:
    known = [mark("mask", 1, "a"), mark("unmask", 3, "a")]
    demand_audible(Spoken(at(0)), known, LONGEST)
    demand_audible(Spoken(at(3)), known, LONGEST)
    with pytest.raises(EvidenceSilenced):
        demand_audible(Spoken(at(2)), known, LONGEST)


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (mark("mask", 2, until=4), True),
        (mark("mask", -5, until=0), False),
        (mark("mask", -5, until=0.1), True),
        (mark("mask", 10, until=12), False),
        (mark("mask", 9.9), True),
        (mark("mask", 6, until=7), False),
        (mark("mask", 5.5, until=6.5), True),
        (mark("mask", 2, "a"), True),
        (mark("mask", 2, "b"), False),
        (mark("unmask", 2), False),
        (mark("hold", 2), False),
    ],
)
def test_recordings_that_were_sealed_before_are_named(new: NewMark, named: bool) -> None:
    kept = KeptSound("r-1", "a", START, timedelta(seconds=10), ((6_000_000, 8_000_000),))
    assert kept_in_spite(new, [kept], LONGEST) == (("r-1",) if named else ())
