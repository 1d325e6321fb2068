"""A watermark never steps over a gap, whatever the order of arrival and however often."""

from hypothesis import given
from hypothesis import strategies as st

from callward_audit.domain.watermark import advance


def oracle(seen: set[int]) -> int:
    """Count up as long as the next one is there."""
    watermark = 0
    while watermark + 1 in seen:
        watermark += 1
    return watermark


@given(st.lists(st.lists(st.integers(1, 30), max_size=8), max_size=12))
def test_after_every_batch_it_is_what_counting_up_gives(batches: list[list[int]]) -> None:
    watermark, waiting, seen = 0, list[int](), set[int]()
    for batch in batches:
        before = watermark
        watermark, waiting = advance(watermark, [*waiting, *batch])
        seen |= set(batch)
        assert watermark == oracle(seen) >= before
        assert waiting == sorted(each for each in seen if each > watermark)


def test_nothing_new_changes_nothing() -> None:
    assert advance(7, []) == (7, [])
    assert advance(7, [3, 7, 1]) == (7, [])


def test_a_gap_holds_it_and_filling_it_lets_it_go_on() -> None:
    assert advance(0, [1, 2, 4, 5, 9]) == (2, [4, 5, 9])
    assert advance(2, [4, 5, 9, 3]) == (5, [9])
