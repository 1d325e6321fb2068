"""Reconciliation: compares the calls that somebody placed with those on record, and keeps what came out."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.domain.calls import IdentifierKind, Pseudonym
from callward_ingest.domain.errors import InvalidRange, ReconciliationNotFound, ReconciliationTooLarge
from callward_ingest.domain.events import ReconciliationMade
from callward_ingest.domain.policy import EARLIEST_YEAR, demand_in_records, demand_not_future, quarter_of
from callward_ingest.domain.reconciliation import (
    CallsWanted,
    Finding,
    Item,
    ItemFilter,
    ItemPage,
    Placed,
    Range,
    Reconciliation,
    reconcile,
)
from callward_ingest.ports import Pseudonyms, Unit, Units

_VALUES_AT_ONCE = 100
"""How many values key-management takes in one request."""
_REQUESTS_AT_ONCE = 8
_EARLIEST = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReconciliationLimits:
    """Limits of one reconciliation: calls named, calls found in the range, its length, and what counts as the same."""

    max_calls: int = 10_000
    max_found: int = 20_000
    max_range: timedelta = timedelta(days=31)
    tolerance: timedelta = timedelta(seconds=5)
    clock_skew: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NamedCall:
    """A call as the request names it. `reference` is PHI: it leaves memory as a pseudonym only."""

    placed: Placed
    reference: str | None = field(default=None, repr=False)


class Reconciliations:
    """The use cases of reconciliation."""

    def __init__(
        self,
        *,
        units: Units,
        once: Once,
        pseudonyms: Pseudonyms,
        clock: Clock,
        limits: ReconciliationLimits,
    ) -> None:
        self._units = units
        self._once = once
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._limits = limits

    async def make(self, request: Request, within: Range, calls: Sequence[NamedCall]) -> Answer:
        """Compares and keeps the result; answers with its id and counts. Raises InvalidRange, ReconciliationTooLarge."""
        if len(calls) > self._limits.max_calls:
            raise too_large("are named", self._limits.max_calls)
        self._demand_range(within)
        _demand_within(within, calls)
        return await self._once.run(request, lambda: self._prepare(request, within, calls))

    async def find(self, tenant: str, reconciliation_id: str) -> Reconciliation:
        """Returns a reconciliation without its items. Raises ReconciliationNotFound."""
        async with self._units.begin(tenant) as unit:
            found = await unit.reconciliations.find(reconciliation_id)
        if found is None:
            raise ReconciliationNotFound("There is no such reconciliation.")
        return found

    async def items(self, tenant: str, wanted: ItemFilter) -> ItemPage:
        """Returns a page of a reconciliation's items, in order."""
        async with self._units.begin(tenant) as unit:
            return await unit.reconciliations.items(wanted)

    async def page(
        self, tenant: str, before: str | None, limit: int
    ) -> tuple[Sequence[Reconciliation], bool]:
        """Returns the tenant's reconciliations, newest first, and whether there are more."""
        async with self._units.begin(tenant) as unit:
            return await unit.reconciliations.page(before, limit)

    def _demand_range(self, within: Range) -> None:
        now, skew = self._clock.now(), self._limits.clock_skew
        demand_in_records(within.start, "/from")
        demand_not_future(within.end, now, skew, "/to")
        if within.end <= within.start:
            raise InvalidRange("The range ends before it starts, or holds nothing.", extra={"pointer": "/to"})
        if within.end - within.start > self._limits.max_range:
            hours = int(self._limits.max_range.total_seconds() // 3600)
            raise InvalidRange(
                f"The range is longer than {hours} hours.", extra={"pointer": "/to", "limitHours": hours}
            )

    async def _prepare(self, request: Request, within: Range, calls: Sequence[NamedCall]) -> Prepared:
        pseudonyms = await self._make_pseudonyms(request.tenant, within, calls)
        placed = [
            call.placed if call.reference is None else replace(call.placed, references=_values(found))
            for call, found in zip(calls, pseudonyms, strict=True)
        ]
        wanted = CallsWanted(
            call_ids=frozenset(each.call_id for each in placed if each.call_id is not None),
            references=list({item for found in pseudonyms for item in found}),
            within=within,
            limit=self._limits.max_found,
        )
        async with self._units.begin(request.tenant) as unit:
            stored = await unit.reconciliations.find_calls(wanted)
        if stored is None:
            raise too_large("lie in the range", self._limits.max_found)
        # In a thread: ten thousand calls take long enough for uploads to notice.
        items = await asyncio.to_thread(reconcile, placed, stored, within, self._limits.tolerance)
        return self._prepared(request, within, items)

    def _prepared(self, request: Request, within: Range, items: Sequence[Item]) -> Prepared:
        found = Counter(item.finding for item in items)
        counts = {finding: found[finding] for finding in Finding}
        made = Reconciliation(new_id(), within, self._clock.now(), request.actor, counts)

        async def commit(unit: Unit) -> None:
            await unit.reconciliations.add(made, items)
            unit.record(ReconciliationMade(request.actor, made.reconciliation_id, within, counts))

        body: dict[str, JsonValue] = {
            "reconciliationId": made.reconciliation_id,
            "counts": counts_json(counts),
        }
        return Prepared(body, commit)

    async def _make_pseudonyms(
        self, tenant: str, within: Range, calls: Sequence[NamedCall]
    ) -> Sequence[frozenset[Pseudonym]]:
        """Gives the pseudonyms of each call's reference: one for each quarter in which the call may be on record."""
        wanted: dict[str, dict[str, None]] = {}
        for call in calls:
            for quarter in self._quarters(within, call):
                wanted.setdefault(quarter, {})[call.reference or ""] = None
        gate, made = asyncio.Semaphore(_REQUESTS_AT_ONCE), dict[tuple[str, str], Pseudonym]()

        async def ask(quarter: str, values: Sequence[str]) -> None:
            kind = IdentifierKind.external_reference
            async with gate:
                answered = await self._pseudonyms.pseudonymise(tenant, quarter, kind, values)
            for value, pseudonym in zip(values, answered, strict=True):
                made[quarter, value] = Pseudonym(kind, quarter, pseudonym)

        try:
            async with asyncio.TaskGroup() as group:
                for quarter, values in wanted.items():
                    for batch in _batches(list(values)):
                        group.create_task(ask(quarter, batch))
        except ExceptionGroup as failed:
            # The others were cancelled for the first one's sake: that one is the sender's answer.
            raise failed.exceptions[0] from failed
        return [
            frozenset(made[quarter, call.reference or ""] for quarter in self._quarters(within, call))
            for call in calls
        ]

    def _quarters(self, within: Range, call: NamedCall) -> Sequence[str]:
        """Gives the quarters that a call's start may fall in here, by another clock than the sender's."""
        if call.reference is None:
            return ()
        skew, started_at = self._limits.clock_skew, call.placed.started_at
        first = max(_EARLIEST, (started_at or within.start) - skew)
        last = min(self._clock.now(), started_at or within.end) + skew
        moments = [first]
        while moments[-1] < last:
            moments.append(min(last, moments[-1] + timedelta(days=80)))
        return list(dict.fromkeys(quarter_of(moment) for moment in moments))


def counts_json(counts: Mapping[Finding, int]) -> dict[str, JsonValue]:
    """Gives how many there are of each finding."""
    return {finding.value: counts[finding] for finding in Finding}


def too_large(what: str, limit: int) -> ReconciliationTooLarge:
    """Gives the error for more calls than one reconciliation may hold."""
    return ReconciliationTooLarge(
        f"More than {limit} calls {what}: take a shorter range.", extra={"limit": limit}
    )


def _demand_within(within: Range, calls: Sequence[NamedCall]) -> None:
    for position, call in enumerate(calls):
        started_at, ended_at = call.placed.started_at, call.placed.ended_at
        if started_at is not None and not within.holds(started_at):
            pointer = f"/calls/{position}/startedAt"
            raise InvalidRange("A call starts outside the range.", extra={"pointer": pointer})
        if started_at is not None and ended_at is not None and ended_at < started_at:
            pointer = f"/calls/{position}/endedAt"
            raise InvalidRange("A call ends before it starts.", extra={"pointer": pointer})


def _values(pseudonyms: frozenset[Pseudonym]) -> frozenset[bytes]:
    return frozenset(item.value for item in pseudonyms)


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _VALUES_AT_ONCE):
        yield values[start : start + _VALUES_AT_ONCE]
