"""The rules of retention: longer and stronger, never shorter or weaker."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.objects.store import LockState, ObjectLocked
from callward_embedded.file_locks import UNLOCKED, RetentionInPast, demand_unlocked, retained
from tests.support.clock import ManualClock

CLOCK = ManualClock()
NOW = CLOCK.now()
LATER = st.timedeltas(timedelta(seconds=1), timedelta(days=4000)).map(lambda delta: NOW + delta)


@given(LATER, st.booleans(), LATER, st.booleans())
def test_a_running_retention_is_never_shortened_or_weakened(
    first: datetime, compliance: bool, second: datetime, then_compliance: bool
) -> None:
    state = retained(UNLOCKED, first, compliance=compliance, clock=CLOCK)
    allowed = second >= first and (then_compliance or not compliance)

    if allowed:
        assert retained(state, second, compliance=then_compliance, clock=CLOCK).until == second
    else:
        with pytest.raises(ObjectLocked):
            retained(state, second, compliance=then_compliance, clock=CLOCK)


def test_a_retention_that_is_over_may_be_replaced_by_a_shorter_one() -> None:
    over = LockState(until=NOW - timedelta(seconds=1), compliance=True, held=False)

    assert retained(over, NOW + timedelta(days=1), compliance=False, clock=CLOCK).compliance is False


def test_a_retention_leaves_the_hold_alone() -> None:
    held = LockState(until=None, compliance=False, held=True)

    assert retained(held, NOW + timedelta(days=1), compliance=False, clock=CLOCK).held


def test_a_retention_in_the_past_is_refused() -> None:
    with pytest.raises(RetentionInPast):
        retained(UNLOCKED, NOW, compliance=False, clock=CLOCK)


@pytest.mark.parametrize("compliance", [True, False])
def test_deletion_waits_for_the_end_of_the_retention(compliance: bool) -> None:
    clock = ManualClock()
    state = LockState(until=clock.now() + timedelta(days=1), compliance=compliance, held=False)

    with pytest.raises(ObjectLocked):
        demand_unlocked(state, clock)
    clock.advance(timedelta(days=1))
    demand_unlocked(state, clock)


def test_a_hold_has_no_end() -> None:
    clock = ManualClock()
    clock.advance(timedelta(days=36500))

    with pytest.raises(ObjectLocked):
        demand_unlocked(LockState(until=None, compliance=False, held=True), clock)
