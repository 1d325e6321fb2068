"""Plans: expected periods by example, and the rules that hold for every holder."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_retention.domain.model import AgeGroup, Holder, Plan
from callward_retention.domain.policy import add_years, plan
from callward_retention.law.table import shipped_table
from tests.unit.retention import oracle

LAW = shipped_table()
CALL_ENDED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
MONTH = timedelta(days=30)
STATES = sorted({row["jurisdiction"] for row in oracle.ROWS})
KINDS = sorted({row["entity_type"] for row in oracle.ROWS})


def holder(
    entity_type: str = "hospital", state: str = "CA", retain_years: int = 0, delete_after: timedelta = MONTH
) -> Holder:
    return Holder(entity_type, state, retain_years, delete_after, policy_version=3)


def planned(who: Holder, age: AgeGroup = AgeGroup.adult, start: datetime = CALL_ENDED) -> Plan:
    return plan(LAW, who, age, start, plan_id="plan", call_id="call")


def test_a_californian_hospital_keeps_an_adults_record_for_seven_years() -> None:
    made = planned(holder())
    assert (made.years, made.row.citation) == (7, "22 Cal. Code Regs. § 70751")
    assert made.retain_until == datetime(2033, 11, 24, 9, 30, tzinfo=UTC)
    assert made.delete_after == datetime(2033, 12, 24, 9, 30, tzinfo=UTC)
    assert made.retention_class == "medical-record-adult"
    assert made.basis == ("law-adult",)
    assert made.policy_version == f"policy/3+law/{LAW.version}"


@pytest.mark.parametrize(
    ("state", "entity_type", "age", "years", "citation"),
    [
        ("CA", "hospital", AgeGroup.minor, 19, "22 Cal. Code Regs. § 70751"),
        ("TX", "hospital", AgeGroup.adult, 10, "Tex. Health & Safety Code § 241.103"),
        ("TX", "hospital", AgeGroup.minor, 20, "Tex. Health & Safety Code § 241.103"),
        (
            "TX",
            "physician",
            AgeGroup.minor,
            21,
            "22 Tex. Admin. Code ch. 163 (eff. Jan. 2025; formerly § 165.1(b))",
        ),
        ("NC", "hospital", AgeGroup.adult, 11, "10A N.C. Admin. Code 13B.3903"),
        ("NC", "hospital", AgeGroup.minor, 30, "10A N.C. Admin. Code 13B.3903"),
        ("MA", "hospital", AgeGroup.minor, 20, "Mass. Gen. Laws ch. 111, § 70; 105 CMR 130.370"),
        ("NY", "hospital", AgeGroup.adult, 6, "10 NYCRR § 405.10(a)(4)"),
        ("NY", "hospital", AgeGroup.unknown, 21, "10 NYCRR § 405.10(a)(4)"),
        ("SC", "physician", AgeGroup.minor, 13, "S.C. Code Ann. § 44-115-120"),
        ("HI", "physician", AgeGroup.minor, 25, "Haw. Rev. Stat. § 622-58"),
        ("MS", "hospital", AgeGroup.adult, 10, "Miss. Code Ann. § 41-9-69 (am. 2024 SB 2873)"),
    ],
)
def test_the_period_and_its_citation(
    state: str, entity_type: str, age: AgeGroup, years: int, citation: str
) -> None:
    made = planned(holder(entity_type, state), age)
    assert (made.years, made.row.citation, made.row.jurisdiction) == (years, citation, state)
    assert "longest-of-kind" not in made.basis


@pytest.mark.parametrize(
    ("state", "entity_type", "age", "years", "decided_by"),
    [
        ("WY", "hospital", AgeGroup.adult, 20, "MA"),  # a row without a number
        ("WY", "hospital", AgeGroup.minor, 30, "NC"),
        ("CA", "physician", AgeGroup.adult, 10, "GA"),
        ("NM", "hospital", AgeGroup.minor, 30, "NC"),  # a number for adults, the minors' rule unclear
        ("PR", "hospital", AgeGroup.adult, 20, "MA"),  # one row for all providers, without a number
        ("ZZ", "hospital", AgeGroup.adult, 20, "MA"),  # no row at all
    ],
)
def test_where_the_row_has_no_number_the_longest_of_the_kind_applies_and_says_so(
    state: str, entity_type: str, age: AgeGroup, years: int, decided_by: str
) -> None:
    made = planned(holder(entity_type, state), age)
    assert (made.years, made.row.jurisdiction) == (years, decided_by)
    assert "longest-of-kind" in made.basis


@pytest.mark.parametrize("entity_type", ["plan", "all_providers", "clia_laboratory", ""])
def test_a_kind_without_any_number_takes_the_longest_of_all(entity_type: str) -> None:
    made = planned(holder(entity_type, "CA"))
    assert (made.years, made.row.jurisdiction) == (20, "MA")
    assert "longest-of-kind" in made.basis


def test_an_unknown_age_takes_the_longest_and_says_so() -> None:
    made = planned(holder(), AgeGroup.unknown)
    assert made.years == 19
    assert made.basis == ("law-minor", "age-unknown-longest")
    assert made.retention_class == "medical-record-age-unknown"


def test_a_federal_floor_lengthens_a_shorter_period_of_the_state_and_is_cited() -> None:
    made = planned(holder("physician", "DC"))
    assert (made.years, made.row.citation) == (7, "42 CFR 424.516(f)")
    assert made.basis == ("federal-floor",)


def test_a_tenant_lengthens_and_never_shortens() -> None:
    longer, shorter, equal = (planned(holder(retain_years=years)) for years in (12, 1, 7))
    assert (longer.years, longer.basis) == (12, ("law-adult", "tenant-lengthened"))
    assert longer.retain_until == datetime(2038, 11, 24, 9, 30, tzinfo=UTC)
    assert longer.row.citation == "22 Cal. Code Regs. § 70751"
    assert shorter.years == equal.years == 7
    assert shorter.basis == equal.basis == ("law-adult",)


def test_destruction_is_due_as_many_days_later_as_the_tenant_says() -> None:
    made = planned(holder(delete_after=timedelta(days=90)))
    assert made.delete_after - made.retain_until == timedelta(days=90)
    assert planned(holder(delete_after=timedelta(0))).delete_after == made.retain_until


@pytest.mark.parametrize(
    ("start", "years", "end"),
    [
        (datetime(2028, 2, 29, 23, 59, tzinfo=UTC), 7, datetime(2035, 3, 1, 23, 59, tzinfo=UTC)),
        (datetime(2028, 2, 29, 23, 59, tzinfo=UTC), 4, datetime(2032, 2, 29, 23, 59, tzinfo=UTC)),
        (datetime(2096, 2, 29, tzinfo=UTC), 4, datetime(2100, 3, 1, tzinfo=UTC)),
        (datetime(2027, 2, 28, tzinfo=UTC), 1, datetime(2028, 2, 28, tzinfo=UTC)),
    ],
)
def test_a_leap_day_is_never_cut_short(start: datetime, years: int, end: datetime) -> None:
    assert add_years(start, years) == end


@pytest.mark.parametrize("age", AgeGroup)
@pytest.mark.parametrize("entity_type", KINDS)
def test_every_holder_of_the_table_gets_the_oracles_period(entity_type: str, age: AgeGroup) -> None:
    for state in STATES:
        made = planned(holder(entity_type, state), age)
        expected, stands_in = oracle.years(entity_type, state, age.value)
        assert made.years == expected, state
        if age is not AgeGroup.unknown and "federal-floor" not in made.basis:
            assert ("longest-of-kind" in made.basis) is stands_in, state


@given(
    st.sampled_from([*STATES, "ZZ", ""]),
    st.sampled_from([*KINDS, "plan", ""]),
    st.sampled_from(AgeGroup),
    st.integers(0, 100),
    st.integers(0, 3650),
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_every_holder_gets_a_plan_no_shorter_than_the_law_and_no_shorter_than_its_policy(
    state: str, entity_type: str, age: AgeGroup, retain_years: int, days: int, start: datetime
) -> None:
    delete_after = timedelta(days=days)
    made = planned(holder(entity_type, state, retain_years, delete_after), age, start)
    assert made.years == max(retain_years, oracle.years(entity_type, state, age.value)[0])
    assert made.years == made.retain_until.year - start.year
    assert made.delete_after == made.retain_until + delete_after
    assert made.basis
    unknown = planned(holder(entity_type, state, retain_years, delete_after), AgeGroup.unknown, start)
    assert unknown.retain_until >= made.retain_until
