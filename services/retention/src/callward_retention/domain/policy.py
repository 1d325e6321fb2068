"""The rules of retention: pure functions over the law's table.

The longest applicable period wins; what is unclear takes the longest plausible one until a person decides.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from callward_retention.domain.model import (
    AgeGroup,
    Holder,
    LawRow,
    LawTable,
    MinorRule,
    Period,
    Plan,
)

FEDERAL = "US"
ALL_PROVIDERS = "all_providers"
STATE_KINDS = frozenset({"hospital", "physician", ALL_PROVIDERS})
#: Federal floors per kind of holder: 42 CFR 482.24(b)(1) and 42 CFR 424.516(f), rows of the table.
FEDERAL_FLOORS = {"hospital": "medicare_hospital_cop", "physician": "medicare_ffs_provider"}
_CLASSES = {
    AgeGroup.adult: "medical-record-adult",
    AgeGroup.minor: "medical-record-minor",
    AgeGroup.unknown: "medical-record-age-unknown",
}


def plan(
    law: LawTable, holder: Holder, age_group: AgeGroup, clock_start: datetime, *, plan_id: str, call_id: str
) -> Plan:
    """Plan how long a recording is kept from `clock_start` on (aware, UTC)."""
    period = required_period(law, holder.entity_type, holder.home_state, age_group)
    years, basis = period.years, period.basis
    if holder.retain_years > years:
        years, basis = holder.retain_years, (*basis, "tenant-lengthened")
    retain_until = add_years(clock_start, years)
    return Plan(
        plan_id=plan_id,
        call_id=call_id,
        retention_class=_CLASSES[age_group],
        years=years,
        clock_start=clock_start,
        retain_until=retain_until,
        delete_after=retain_until + holder.delete_after,
        row=period.row,
        basis=basis,
        policy_version=f"policy/{holder.policy_version}+law/{law.version}",
    )


def required_period(law: LawTable, entity_type: str, state: str, age_group: AgeGroup) -> Period:
    """Return the longest period that the law asks of this kind of holder in this state."""
    candidates: list[Period] = []
    if age_group is not AgeGroup.minor:
        candidates.append(_of_state(law, entity_type, state, _adult_years, "adult"))
    if age_group is not AgeGroup.adult:
        candidates.append(_of_state(law, entity_type, state, _minor_years, "minor"))
    floor = FEDERAL_FLOORS.get(entity_type)
    candidates.extend(
        Period(row.adult_years, row, ("federal-floor",))
        for row in law.rows
        if row.jurisdiction == FEDERAL and row.entity_type == floor and row.adult_years is not None
    )
    longest = max(candidates, key=lambda period: period.years)
    if age_group is AgeGroup.unknown:
        return Period(longest.years, longest.row, (*longest.basis, "age-unknown-longest"))
    return longest


def _of_state(
    law: LawTable, entity_type: str, state: str, years_of: Callable[[LawRow], int | None], age: str
) -> Period:
    for kind in (entity_type, ALL_PROVIDERS):
        for row in law.rows:
            if (row.jurisdiction, row.entity_type) == (state, kind):
                years = years_of(row)
                if years is not None:
                    return Period(years, row, (f"law-{age}",))
    return _longest_of_kind(law, entity_type, years_of, age)


def _longest_of_kind(
    law: LawTable, entity_type: str, years_of: Callable[[LawRow], int | None], age: str
) -> Period:
    """Where the row has no number: the longest period of that kind; of any kind where the kind has none at all."""
    state_rows = [row for row in law.rows if row.jurisdiction != FEDERAL]
    of_kind = [row for row in state_rows if row.entity_type == entity_type]
    known = _numbered(of_kind, years_of) or _numbered(state_rows, years_of)
    years, row = max(known, key=lambda item: item[0])
    return Period(years, row, (f"law-{age}", "longest-of-kind"))


def _numbered(rows: Iterable[LawRow], years_of: Callable[[LawRow], int | None]) -> list[tuple[int, LawRow]]:
    return [(years, row) for row in rows if (years := years_of(row)) is not None]


def _adult_years(row: LawRow) -> int | None:
    return row.adult_years


def _minor_years(row: LawRow) -> int | None:
    """Years for a minor whose birth date is not known: as for somebody born on the day the clock starts."""
    if row.minor_rule in (MinorRule.none, MinorRule.unclear):
        return None
    numbers = [row.adult_years, row.minor_years]
    if row.minor_rule is not MinorRule.same_as_adult:
        numbers.append(row.minor_until_age)
    known = [number for number in numbers if number is not None]
    return max(known) if known else None


def add_years(moment: datetime, years: int) -> datetime:
    """Return the same day `years` later; 29 February becomes 1 March where the year has none."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)
