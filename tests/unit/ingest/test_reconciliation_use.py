"""Reconciliation as a use case: what is looked up, what is kept, what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callward_common.errors import Unavailable
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.once import Once
from callward_ingest.app.reconciliation import NamedCall, ReconciliationLimits, Reconciliations
from callward_ingest.domain.calls import IdentifierKind
from callward_ingest.domain.errors import (
    DateInFuture,
    DateTooOld,
    InvalidRange,
    ReconciliationNotFound,
    ReconciliationTooLarge,
)
from callward_ingest.domain.events import ReconciliationMade
from callward_ingest.domain.reconciliation import Finding, ItemFilter, Placed, Range, StoredCall
from tests.unit.ingest.scene import ACTOR, TENANT, Scene

HERE = "01a20000-0000-7000-8000-000000000001"
AWAY = "01a20000-0000-7000-8000-000000000002"
NAMED = NamedCall(Placed(call_id=AWAY))
SECRET = "crm-reference-17"


class Compared(Scene):
    """The scene with reconciliation."""

    def __init__(self, **limits: Any) -> None:
        super().__init__()
        self.range = Range(self.clock.now() - timedelta(hours=2), self.clock.now())
        self.reconciliations = Reconciliations(
            units=self.units,
            once=Once(self.units, Fingerprints(self.pseudonyms, self.clock), self.clock, self.limits),
            pseudonyms=self.pseudonyms,
            clock=self.clock,
            limits=ReconciliationLimits(**limits),
        )

    async def make(self, *calls: NamedCall, within: Range | None = None, key: str | None = None) -> Any:
        request = self.request("reconciliations.make", key=key)
        return (await self.reconciliations.make(request, within or self.range, calls)).body


async def test_what_came_out_is_kept_and_counted() -> None:
    scene = Compared()
    scene.rows.history.found = [StoredCall(HERE, scene.range.start)]
    body = await scene.make(NAMED)
    counts = {"matched": 0, "missing": 1, "unexpected": 1, "incomplete": 0, "duplicate": 0}
    assert body["counts"] == counts
    made, items = scene.rows.history.reconciliations[body["reconciliationId"]]
    assert [item.finding for item in items] == [Finding.missing, Finding.unexpected]
    assert (made.range, made.made_at, made.actor) == (scene.range, scene.clock.now(), ACTOR)
    event = ReconciliationMade(ACTOR, made.reconciliation_id, scene.range, made.counts)
    assert scene.events == [event]


async def test_a_reference_is_looked_up_by_its_pseudonyms_and_kept_nowhere() -> None:
    scene = Compared()
    call = NamedCall(Placed(), SECRET)
    await scene.make(call, call, key="k")
    (wanted,) = scene.rows.history.wanted
    assert [(item.kind, item.quarter) for item in wanted.references] == [
        (IdentifierKind.external_reference, "2026Q4")
    ]
    assert SECRET not in repr(scene.rows) + repr(call)


async def test_every_quarter_that_a_call_may_be_in_is_looked_at() -> None:
    scene = Compared(max_range=timedelta(days=300))
    start = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
    within = Range(start, start + timedelta(days=250))
    await scene.make(NamedCall(Placed(), SECRET), within=within)
    (wanted,) = scene.rows.history.wanted
    quarters = {item.quarter for item in wanted.references}
    assert quarters == {"2025Q4", "2026Q1", "2026Q2", "2026Q3"}, "five minutes before the range count too"
    assert len({item.value for item in wanted.references}) == 4
    known = NamedCall(Placed(started_at=start + timedelta(days=100)), SECRET)
    await scene.make(known, within=within)
    assert {item.quarter for item in scene.rows.history.wanted[1].references} == {"2026Q2"}


async def test_references_are_asked_for_by_the_hundred() -> None:
    scene, asked = Compared(), list[int]()
    pseudonymise = scene.pseudonyms.pseudonymise

    async def counted(tenant: str, quarter: str, kind: IdentifierKind, values: Any) -> Any:
        asked.append(len(values))
        return await pseudonymise(tenant, quarter, kind, values)

    scene.pseudonyms.pseudonymise = counted  # type: ignore[method-assign]
    await scene.make(*(NamedCall(Placed(), f"crm-{number}") for number in range(250)))
    assert sorted(asked) == [50, 100, 100]


async def test_a_neighbour_that_is_away_is_the_answer() -> None:
    scene = Compared()

    async def away(*arguments: Any) -> Any:
        raise Unavailable("away")

    scene.pseudonyms.pseudonymise = away  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable):
        await scene.make(*(NamedCall(Placed(), f"crm-{number}") for number in range(250)))
    assert not scene.rows.history.reconciliations


async def test_ranges_that_are_refused() -> None:
    scene = Compared(max_range=timedelta(days=1))
    now, hour = scene.clock.now(), timedelta(hours=1)
    for within, error in (
        (Range(now, now), InvalidRange),
        (Range(now, now - hour), InvalidRange),
        (Range(now - 25 * hour, now), InvalidRange),
        (Range(now - hour, now + hour), DateInFuture),
        (Range(datetime(1969, 12, 31, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)), DateTooOld),
    ):
        with pytest.raises(error) as refused:
            await scene.make(within=within)
        assert "pointer" in refused.value.extra
    assert not scene.rows.history.wanted


async def test_calls_outside_the_range_or_out_of_order_are_refused() -> None:
    scene = Compared()
    start, end = scene.range.start, scene.range.end
    outside = NamedCall(Placed(call_id=HERE, started_at=end))
    with pytest.raises(InvalidRange) as refused:
        await scene.make(NAMED, outside)
    assert refused.value.extra == {"pointer": "/calls/1/startedAt"}
    early = NamedCall(Placed(call_id=HERE, started_at=start, ended_at=start - timedelta(seconds=1)))
    with pytest.raises(InvalidRange) as refused:
        await scene.make(early)
    assert refused.value.extra == {"pointer": "/calls/0/endedAt"}
    await scene.make(NamedCall(Placed(call_id=HERE, started_at=start, ended_at=start)))


async def test_too_much_is_refused_and_nothing_is_kept() -> None:
    scene = Compared(max_calls=2, max_found=5)
    with pytest.raises(ReconciliationTooLarge) as refused:
        await scene.make(NAMED, NAMED, NAMED)
    assert refused.value.extra == {"limit": 2}
    scene.rows.history.found = None
    with pytest.raises(ReconciliationTooLarge) as refused:
        await scene.make(NAMED)
    assert refused.value.extra == {"limit": 5}
    assert scene.rows.history.wanted[0].limit == 5
    assert not scene.rows.history.reconciliations


async def test_it_is_read_again_by_pages_and_by_nobody_else() -> None:
    scene = Compared()
    scene.rows.history.found = [StoredCall(HERE, scene.range.start)]
    made = [(await scene.make(NAMED, NAMED))["reconciliationId"] for _ in range(2)]
    first = await scene.reconciliations.items(TENANT, ItemFilter(made[0], 2))
    rest = await scene.reconciliations.items(TENANT, ItemFilter(made[0], 2, first.next or 0))
    findings = [item.finding for item in (*first.items, *rest.items)]
    assert findings == [Finding.missing, Finding.duplicate, Finding.unexpected]
    assert rest.next is None
    page, more = await scene.reconciliations.page(TENANT, None, 1)
    assert ([each.reconciliation_id for each in page], more) == ([made[1]], True)
    with pytest.raises(ReconciliationNotFound):
        await scene.reconciliations.find("other-clinic", made[0])
