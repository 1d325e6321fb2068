"""Listening is not downloading: the pace is never exceeded, and nobody waits longer than it asks for."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_access.domain.pacing import Pace


@given(
    st.integers(1, 200_000),
    st.integers(0, 300),
    st.floats(0.1, 10),
    st.lists(st.tuples(st.integers(1, 70_000), st.floats(0, 100)), min_size=1, max_size=30),
)
def test_never_more_than_lead_and_factor_times_elapsed(
    rate: int, lead: int, factor: float, steps: list[tuple[int, float]]
) -> None:
    pace = Pace(rate, timedelta(seconds=lead), factor)
    sent, elapsed = 0, 0.0
    for size, idle in steps:
        elapsed += idle
        wait = pace.wait(sent + size, elapsed)
        assert wait >= 0
        # No longer than needed, give or take a byte.
        if wait > 1e-6:
            assert sent + size >= pace.allowance(elapsed + wait * 0.999 - 1e-6)
        elapsed += wait
        sent += size
        assert sent <= rate * (lead + factor * elapsed) * (1 + 1e-9) + 1


def test_the_lead_leaves_at_once_and_no_byte_more() -> None:
    pace = Pace(16_000, timedelta(seconds=30), 2.0)
    assert pace.wait(30 * 16_000, 0) == 0
    assert pace.wait(30 * 16_000 + 32_000, 0) == pytest.approx(1.0)
    assert pace.wait(30 * 16_000 + 32_000, 1.0) == 0


@pytest.mark.parametrize(
    ("rate", "lead", "factor"), [(0, 30, 2.0), (-1, 30, 2.0), (1, -1, 2.0), (1, 30, 0.0)]
)
def test_a_pace_without_a_rate_is_none(rate: int, lead: int, factor: float) -> None:
    with pytest.raises(ValueError, match="positive rate"):
        Pace(rate, timedelta(seconds=lead), factor)
