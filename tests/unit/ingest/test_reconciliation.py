"""Reconciliation: every call has one finding, whoever counts them and however they are named."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.reconciliation import (
    MOST_OTHERS,
    Detail,
    Finding,
    Item,
    Placed,
    Range,
    StoredCall,
    reconcile,
)

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
WITHIN = Range(START, START + timedelta(hours=10))
TOLERANCE = timedelta(seconds=5)
CALLS = [f"call-{number}" for number in range(6)]
REFERENCES = [bytes([number]) for number in range(5)]


def naive(placed: Sequence[Placed], stored: Sequence[StoredCall]) -> list[Item]:
    """The definition, read out: each pair is compared with each."""

    def calls_of(entry: Placed) -> list[StoredCall]:
        return [
            call for call in stored if call.call_id == entry.call_id or call.references & entry.references
        ]

    def same(one: Placed, other: Placed) -> bool:
        ids = {call.call_id for call in calls_of(one)} & {call.call_id for call in calls_of(other)}
        by_id = one.call_id is not None and one.call_id == other.call_id
        return bool(by_id or one.references & other.references or ids)

    def twins(references: frozenset[bytes], but: str | None) -> tuple[str, ...]:
        found = [call.call_id for call in stored if call.references & references and call.call_id != but]
        return tuple(sorted(found)[:MOST_OTHERS])

    items = []
    for position, entry in enumerate(placed):
        found = calls_of(entry)
        only = entry.call_id or (found[0].call_id if len(found) == 1 else None)
        earlier = [place for place in range(position) if same(placed[place], entry)]
        here = next((call for call in found if call.call_id == only), None)
        others = twins(entry.references | (here.references if here else frozenset()), only)
        if earlier:
            items.append(Item(Finding.duplicate, (Detail.named_twice,), position, only, (), earlier[0]))
        elif others:
            items.append(Item(Finding.duplicate, (Detail.stored_twice,), position, only, others))
        elif here is None:
            items.append(Item(Finding.missing, (Detail.unknown_call,), position, only))
        else:
            items.append(judged(entry, here, position))
    named = {call.call_id for entry in placed for call in calls_of(entry)}
    rest = sorted(
        (call for call in stored if START <= call.started_at < WITHIN.end and call.call_id not in named),
        key=lambda call: (call.started_at, call.call_id),
    )
    for call in rest:
        others = twins(call.references, call.call_id)
        details = ([Detail.stored_twice] if others else []) + holdings(call)
        items.append(Item(Finding.unexpected, tuple(details), None, call.call_id, others))
    return items


def holdings(call: StoredCall) -> list[Detail]:
    details = [] if call.sealed or call.quarantined else [Detail.no_recording]
    details += [Detail.upload_open] if call.receiving else []
    return details + ([Detail.quarantined] if call.quarantined else [])


def judged(entry: Placed, call: StoredCall, position: int) -> Item:
    kept = call.sealed + call.quarantined
    if kept == 0 and entry.recordings != 0:
        return Item(Finding.missing, tuple(holdings(call)), position, call.call_id)
    wrong = []
    if entry.recordings is not None and kept < entry.recordings:
        wrong.append(Detail.fewer_recordings)
    if call.receiving:
        wrong.append(Detail.upload_open)
    if call.quarantined:
        wrong.append(Detail.quarantined)
    if kept and entry.duration is not None and entry.duration - call.duration > TOLERANCE:
        wrong.append(Detail.shorter)
    more = []
    if entry.recordings is not None and kept > entry.recordings:
        more.append(Detail.more_recordings)
    if entry.started_at is not None and abs(entry.started_at - call.started_at) > TOLERANCE:
        more.append(Detail.start_differs)
    if entry.ended_at is not None and call.ended_at is not None:
        if abs(entry.ended_at - call.ended_at) > TOLERANCE:
            more.append(Detail.end_differs)
    elif entry.ended_at is not None:
        more.append(Detail.not_ended)
    finding = Finding.incomplete if wrong else Finding.matched
    return Item(finding, (*wrong, *more), position, call.call_id)


moments = st.integers(-3600, 11 * 3600).map(lambda seconds: START + timedelta(seconds=seconds))
lengths = st.integers(0, 30).map(lambda seconds: timedelta(seconds=seconds))
stored_calls = st.lists(
    st.builds(
        StoredCall,
        call_id=st.sampled_from(CALLS),
        started_at=moments,
        ended_at=st.none() | moments,
        references=st.frozensets(st.sampled_from(REFERENCES), max_size=2),
        sealed=st.integers(0, 2),
        quarantined=st.integers(0, 1),
        receiving=st.integers(0, 1),
        duration=lengths,
    ),
    unique_by=lambda call: call.call_id,
    max_size=6,
)
expectations = {
    "started_at": st.none() | moments,
    "ended_at": st.none() | moments,
    "recordings": st.none() | st.integers(0, 3),
    "duration": st.none() | lengths,
}
placed_calls = st.lists(
    st.builds(Placed, call_id=st.sampled_from(CALLS), **expectations)
    | st.builds(
        Placed,
        references=st.frozensets(st.sampled_from(REFERENCES), min_size=1, max_size=2),
        **expectations,
    ),
    max_size=8,
)


@given(placed_calls, stored_calls)
def test_findings_are_those_of_the_definition(placed: list[Placed], stored: list[StoredCall]) -> None:
    assert list(reconcile(placed, stored, WITHIN, TOLERANCE)) == naive(placed, stored)


@given(placed_calls, stored_calls)
def test_every_call_has_exactly_one_finding(placed: list[Placed], stored: list[StoredCall]) -> None:
    items = reconcile(placed, stored, WITHIN, TOLERANCE)
    named = [item for item in items if item.position is not None]
    assert [item.position for item in named] == list(range(len(placed)))
    assert all(item.finding is not Finding.unexpected for item in named)
    rest = items[len(named) :]
    assert all(item.finding is Finding.unexpected for item in rest)
    ids = [item.call_id for item in rest]
    assert len(ids) == len(set(ids))
    in_range = {call.call_id for call in stored if WITHIN.holds(call.started_at)}
    assert set(ids) <= in_range
    assert set(ids).isdisjoint(item.call_id for item in named)


@given(placed_calls, stored_calls, st.randoms())
def test_the_order_of_what_is_stored_changes_nothing(
    placed: list[Placed], stored: list[StoredCall], random: object
) -> None:
    shuffled = list(stored)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reconcile(placed, stored, WITHIN, TOLERANCE) == reconcile(placed, shuffled, WITHIN, TOLERANCE)


def test_thousands_under_one_reference_cost_no_more_than_thousands() -> None:
    stored = [StoredCall(f"{number:05}", START, references=frozenset({b"r"})) for number in range(10_000)]
    placed = [Placed(references=frozenset({b"r"}))] * 5_000
    placed += [Placed(call_id=f"{number:05}") for number in range(5_000)]
    items = reconcile(placed, stored, WITHIN, TOLERANCE)
    assert items[0].details == (Detail.stored_twice,)
    assert len(items[0].others) == MOST_OTHERS
    assert {item.duplicate_of for item in items[1:]} == {0}
    assert len(items) == 10_000
