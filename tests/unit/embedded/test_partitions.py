"""The partition of a key never changes: what is on the log already was put there by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_embedded.event_log import PARTITIONS, partition_of


@pytest.mark.parametrize(
    ("key", "number"), [("", 4), ("a", 2), ("0192f0c1-0000-7000-8000-000000000000", 2), ("größe", 7)]
)
def test_known_keys_are_where_they_always_were(key: str, number: int) -> None:
    assert partition_of("callward.consent.v1", key).number == number


@given(st.text())
def test_every_key_has_a_partition(key: str) -> None:
    assert 0 <= partition_of("t", key).number < PARTITIONS
