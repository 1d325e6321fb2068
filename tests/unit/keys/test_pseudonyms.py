"""Pseudonyms and fingerprint keys."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.errors import InvalidRequest
from callward_keys.domain import errors, pseudonyms
from callward_keys.domain.pseudonyms import IdentifierKind
from tests.support.clock import START
from tests.unit.keys.fakes import TENANT, World

TELEPHONE, PATIENT = IdentifierKind.telephone, IdentifierKind.patient
NUMBER = st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True)


async def test_equal_values_meet_whatever_their_spelling(world: World) -> None:
    spellings = ["+14155550123", "+1 (415) 555-0123", "+1.415.555.0123"]
    made = await world.pseudonymising.pseudonymise(TENANT, "2026Q4", TELEPHONE, spellings)
    assert len(set(made)) == 1
    assert len(made[0]) == 32
    references = ["mrn 00017", "MRN  00017 ", "ＭＲＮ 00017"]
    assert len(set(await world.pseudonymising.pseudonymise(TENANT, "2026Q4", PATIENT, references))) == 1


async def test_kinds_quarters_and_tenants_are_apart(world: World) -> None:
    world.tenants.active.add("other-clinic")
    made = [
        (await world.pseudonymising.pseudonymise(tenant, quarter, kind, ["+14155550123"]))[0]
        for tenant in (TENANT, "other-clinic")
        for quarter in ("2026Q3", "2026Q4")
        for kind in IdentifierKind
    ]
    assert len(set(made)) == 12


async def test_values_are_bounded(world: World) -> None:
    assert await world.pseudonymising.pseudonymise(TENANT, "2026Q4", TELEPHONE, []) == []
    full = ["+14155550123"] * 100
    assert len(await world.pseudonymising.pseudonymise(TENANT, "2026Q4", TELEPHONE, full)) == 100
    with pytest.raises(InvalidRequest):
        await world.pseudonymising.pseudonymise(TENANT, "2026Q4", TELEPHONE, [*full, "+14155550123"])


@pytest.mark.parametrize("quarter", ["", "2026", "2026Q5", "2026q4", "26Q4", "2027Q1", "1969Q4", "2026Q4 "])
async def test_a_quarter_is_one_that_can_be(world: World, quarter: str) -> None:
    with pytest.raises(InvalidRequest):
        await world.pseudonymising.pseudonymise(TENANT, quarter, TELEPHONE, ["+14155550123"])


def test_the_next_quarter_begins_a_day_early_for_clocks_that_are_ahead() -> None:
    eve = datetime(2026, 12, 31, 12, tzinfo=UTC)
    assert pseudonyms.pseudonym_transit_key(TENANT, "2027Q1", eve) == f"pseudonym.{TENANT}.2027Q1"


@pytest.mark.parametrize(
    "value", ["", "4155550123", "+0415", "+1415555012345678", "+1415x", "tel:+14155550123"]
)
async def test_a_number_that_is_none_is_refused_and_not_repeated(world: World, value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await world.pseudonymising.pseudonymise(TENANT, "2026Q4", TELEPHONE, [value])
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("value", ["", "   ", "a\x00b", "x" * 201])
async def test_a_reference_that_is_none_is_refused(world: World, value: str) -> None:
    with pytest.raises(InvalidRequest):
        await world.pseudonymising.pseudonymise(TENANT, "2026Q4", PATIENT, [value])


async def test_nothing_is_made_for_an_unknown_tenant(world: World) -> None:
    with pytest.raises(errors.TenantNotActive):
        await world.pseudonymising.pseudonymise("nobody", "2026Q4", TELEPHONE, ["+14155550123"])
    with pytest.raises(errors.TenantNotActive):
        await world.pseudonymising.fingerprint_key("nobody", "2026-11-24")
    assert not world.transit.hmacs


async def test_fingerprint_keys_are_of_tenant_and_day(world: World) -> None:
    world.tenants.active.add("other-clinic")
    made = [
        await world.pseudonymising.fingerprint_key(tenant, day)
        for tenant in (TENANT, "other-clinic")
        for day in ("2026-11-23", "2026-11-24")
    ]
    assert len(set(made)) == 4
    assert await world.pseudonymising.fingerprint_key(TENANT, "2026-11-23") == made[0]
    assert sorted(world.transit.hmacs) == [f"fingerprint.{TENANT}", "fingerprint.other-clinic"]


@pytest.mark.parametrize(
    "date", ["", "2026-11", "2026-11-31", "20261124", "2026-11-26", "1969-12-31", "2026-W48-2"]
)
async def test_a_day_is_one_that_can_be(world: World, date: str) -> None:
    with pytest.raises(InvalidRequest):
        await world.pseudonymising.fingerprint_key(TENANT, date)


@given(NUMBER, st.lists(st.sampled_from(" .-()/"), max_size=6), st.randoms())
def test_separators_never_matter(number: str, separators: list[str], random: object) -> None:
    places = range(1, len(number))
    spelt = number
    for separator in separators:
        place = random.choice(places)  # type: ignore[attr-defined]
        spelt = spelt[:place] + separator + spelt[place:]
    assert pseudonyms.normalise(TELEPHONE, spelt) == number


@given(st.text(string.ascii_letters + string.digits + " -/", min_size=1, max_size=50))
def test_normalising_twice_changes_nothing(value: str) -> None:
    try:
        once = pseudonyms.normalise(PATIENT, value)
    except InvalidRequest:
        assert not value.strip()
        return
    assert pseudonyms.normalise(PATIENT, once) == once


@given(NUMBER)
def test_no_value_of_one_kind_is_a_message_of_the_other(number: str) -> None:
    assert pseudonyms.message(TELEPHONE, number) != pseudonyms.message(PATIENT, number)


def test_the_clock_of_the_tests_is_in_the_quarter_they_name() -> None:
    assert (START.year, (START.month + 2) // 3) == (2026, 4)
