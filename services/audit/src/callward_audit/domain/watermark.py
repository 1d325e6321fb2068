"""How far a producer's events are on record: gaps are never stepped over."""

from collections.abc import Iterable


def advance(watermark: int, pending: Iterable[int]) -> tuple[int, list[int]]:
    """Return the highest sequence without a gap above `watermark`, and the sequences still waiting beyond it."""
    waiting = sorted({sequence for sequence in pending if sequence > watermark})
    for position, sequence in enumerate(waiting):
        if sequence != watermark + 1:
            return watermark, waiting[position:]
        watermark = sequence
    return watermark, []
