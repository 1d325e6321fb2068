"""Reconciliation: the calls that somebody placed, against the calls that are here. Pure; ids, codes and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callward_common.identity import Actor
from callward_ingest.domain.calls import Pseudonym


class Finding(StrEnum):
    """What became of a call. Every named call and every call here that was not named has exactly one."""

    matched = "matched"
    missing = "missing"
    unexpected = "unexpected"
    incomplete = "incomplete"
    duplicate = "duplicate"


class Detail(StrEnum):
    """Why. The last four tell more and decide nothing."""

    unknown_call = "unknown-call"
    no_recording = "no-recording"
    named_twice = "named-twice"
    stored_twice = "stored-twice"
    fewer_recordings = "fewer-recordings"
    upload_open = "upload-open"
    quarantined = "quarantined"
    shorter = "shorter-than-stated"
    more_recordings = "more-recordings"
    start_differs = "start-differs"
    end_differs = "end-differs"
    not_ended = "not-ended"


MOST_OTHERS = 10
"""How many other calls are named with one that is here several times."""
_INCOMPLETE = frozenset({Detail.fewer_recordings, Detail.upload_open, Detail.quarantined, Detail.shorter})


@dataclass(frozen=True, slots=True)
class Placed:
    """A call as its sender names it: by id, or by the pseudonyms of its reference (one per quarter).

    `recordings`: how many the sender expects; `duration`: of all of them together.
    """

    call_id: str | None = None
    references: frozenset[bytes] = frozenset()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    recordings: int | None = None
    duration: timedelta | None = None


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call that is here. `sealed` and `quarantined` recordings are kept; `receiving` ones are under way.

    `duration`: of the kept ones together. `references`: the pseudonyms of its external references.
    """

    call_id: str
    started_at: datetime
    ended_at: datetime | None = None
    references: frozenset[bytes] = frozenset()
    sealed: int = 0
    quarantined: int = 0
    receiving: int = 0
    duration: timedelta = timedelta(0)

    @property
    def kept(self) -> int:
        """How many recordings are kept, apart or not."""
        return self.sealed + self.quarantined


@dataclass(frozen=True, slots=True)
class Item:
    """One finding. `position`: of the call in the request, from 0; None for a call that was not named.

    `call_id`: the call, where there is exactly one. `others`: up to ten calls here that are the same one by reference.
    `duplicate_of`: the first position that names the same call.
    """

    finding: Finding
    details: tuple[Detail, ...]
    position: int | None = None
    call_id: str | None = None
    others: tuple[str, ...] = ()
    duplicate_of: int | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A range of moments: `start` is inside it, `end` is not."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Says whether a moment lies in the range."""
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A reconciliation on record."""

    reconciliation_id: str
    range: Range
    made_at: datetime
    actor: Actor
    counts: Mapping[Finding, int]


@dataclass(frozen=True, slots=True)
class CallsWanted:
    """Which calls a reconciliation looks at: those named, and at most `limit` in the range."""

    call_ids: frozenset[str]
    references: Sequence[Pseudonym]
    within: Range
    limit: int


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a reconciliation are wanted. `after`: the number of the last one of the page before."""

    reconciliation_id: str
    limit: int
    after: int = -1
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of items in order; `next` is the number to go on after, None at the end."""

    items: tuple[Item, ...]
    next: int | None


def reconcile(
    placed: Sequence[Placed], stored: Sequence[StoredCall], within: Range, tolerance: timedelta
) -> tuple[Item, ...]:
    """Gives a finding for each placed call, in order, and then one for each call in the range that none names.

    `stored` holds at least the calls that are named, those that share a reference with one, and those in the range.
    """
    here, items = _Here(stored), list[Item]()
    for position, call in enumerate(placed):
        only, earlier = here.only(call), here.name(call, position)
        if earlier is not None:
            items.append(Item(Finding.duplicate, (Detail.named_twice,), position, only, (), earlier))
        else:
            items.append(_judged(call, position, here, only, tolerance))
    rest = [each for each in stored if within.holds(each.started_at) and not here.is_named(each.call_id)]
    rest.sort(key=lambda each: (each.started_at, each.call_id))
    return (*items, *(_unexpected(each, here) for each in rest))


class _Here:
    """The calls that are here, by id and by reference, and which were named so far.

    However many calls share a reference, each is looked at once: a list of thousands under one reference costs no
    more than a list of thousands.
    """

    def __init__(self, stored: Sequence[StoredCall]) -> None:
        self.calls = {call.call_id: call for call in stored}
        self._by_reference: dict[bytes, list[str]] = {}
        # By call or reference: the first position that names it, or names a call that it stands for.
        self._named: dict[str | bytes, int] = {}
        for call_id in sorted(self.calls):
            for reference in self.calls[call_id].references:
                self._by_reference.setdefault(reference, []).append(call_id)

    def is_named(self, call_id: str) -> bool:
        return call_id in self._named

    def only(self, placed: Placed) -> str | None:
        """Gives the one call that is meant, here or not; None when none or several are."""
        if placed.call_id is not None:
            return placed.call_id
        lists = [self._by_reference.get(each, []) for each in placed.references]
        ids = {each[0] for each in lists if each}
        return ids.pop() if len(ids) == 1 and all(len(each) <= 1 for each in lists) else None

    def name(self, placed: Placed, position: int) -> int | None:
        """Takes down what a position names; gives the first earlier one that names the same, None when none does."""
        first: dict[str | bytes, int] = {}
        for reference in placed.references:
            if reference in self._named:
                first[reference] = self._named[reference]
            else:
                calls = self._by_reference.get(reference, [])
                first[reference] = min((self._named.get(each, position) for each in calls), default=position)
                first.update((each, self._named.get(each, position)) for each in calls)
        if placed.call_id is not None:
            first[placed.call_id] = self._named.get(placed.call_id, position)
        self._named.update(first)
        earliest = min(first.values(), default=position)
        return earliest if earliest < position else None

    def same_as(self, references: frozenset[bytes], but: str | None) -> tuple[str, ...]:
        """Gives the first ten calls, in the order of their ids, under any of the references, without `but`."""
        found = {each for name in references for each in self._by_reference.get(name, ())[: MOST_OTHERS + 1]}
        return tuple(sorted(found - {but}))[:MOST_OTHERS]


def _judged(placed: Placed, position: int, here: _Here, only: str | None, tolerance: timedelta) -> Item:
    call = here.calls.get(only) if only is not None else None
    others = here.same_as(placed.references | (call.references if call else frozenset()), only)
    if others:
        return Item(Finding.duplicate, (Detail.stored_twice,), position, only, others)
    if call is None:
        return Item(Finding.missing, (Detail.unknown_call,), position, only)
    if not call.kept and placed.recordings != 0:
        return Item(Finding.missing, _holdings(call), position, only)
    details = _compared(placed, call, tolerance)
    finding = Finding.incomplete if _INCOMPLETE.intersection(details) else Finding.matched
    return Item(finding, details, position, only)


def _unexpected(call: StoredCall, here: _Here) -> Item:
    others = here.same_as(call.references, call.call_id)
    twice = (Detail.stored_twice,) if others else ()
    return Item(Finding.unexpected, (*twice, *_holdings(call)), None, call.call_id, others)


def _holdings(call: StoredCall) -> tuple[Detail, ...]:
    holds = {
        Detail.no_recording: not call.kept,
        Detail.upload_open: call.receiving > 0,
        Detail.quarantined: call.quarantined > 0,
    }
    return tuple(detail for detail, true in holds.items() if true)


def _compared(placed: Placed, call: StoredCall, tolerance: timedelta) -> tuple[Detail, ...]:
    expected, stated = placed.recordings, placed.duration
    differs = {
        Detail.fewer_recordings: expected is not None and call.kept < expected,
        Detail.upload_open: call.receiving > 0,
        Detail.quarantined: call.quarantined > 0,
        Detail.shorter: stated is not None and call.kept > 0 and call.duration < stated - tolerance,
        Detail.more_recordings: expected is not None and call.kept > expected,
        Detail.start_differs: _apart(placed.started_at, call.started_at, tolerance),
        Detail.end_differs: _apart(placed.ended_at, call.ended_at, tolerance),
        Detail.not_ended: placed.ended_at is not None and call.ended_at is None,
    }
    return tuple(detail for detail, true in differs.items() if true)


def _apart(stated: datetime | None, recorded: datetime | None, tolerance: timedelta) -> bool:
    return stated is not None and recorded is not None and abs(stated - recorded) > tolerance
