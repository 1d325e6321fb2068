"""Reduces samples to what levels and waveforms are made of: per window the lowest and the highest, in all the energy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callward_ingest.domain.media import SILENCE_THRESHOLD

_LOW_BITS, _EVEN_BITS = np.uint8(0x7F), np.uint8(0x55)
_QUIET = 10 ** (SILENCE_THRESHOLD / 20)


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is left of a stretch of one channel.

    `lows`, `highs` and `quiet` have one value per window: the extremes in 128ths of full scale, and whether no sample
    reaches the threshold of silence. `highest` is the largest magnitude and `energy` the sum of squares, relative to
    full scale; `clipped` counts samples.
    """

    lows: NDArray[np.int8]
    highs: NDArray[np.int8]
    quiet: NDArray[np.bool_]
    highest: float
    energy: float
    clipped: int


Reducer = Callable[[NDArray[Any], int], Reduction]
"""Reduces the samples of one channel in windows of so many; the last window may be shorter."""


def linear_reducer(full_scale: float, clip_at: float) -> Reducer:
    """Gives the reducer of linear samples: `full_scale` is 1.0 for levels, from `clip_at` on a sample is clipped."""

    def reduce(samples: NDArray[Any], window: int) -> Reduction:
        lows, highs = (each.astype(np.float64) for each in _extremes(samples, window))
        loudest = np.maximum(highs, -lows)
        highest = float(loudest.max())
        exact = samples.astype(np.float64)
        clipped = int(np.count_nonzero(np.abs(exact) >= clip_at)) if highest >= clip_at else 0
        # Of integers up to 16 bits every partial sum is exact, so that the order of adding does not matter.
        energy = float(np.square(exact, out=exact).sum()) / full_scale**2
        return Reduction(
            lows=_quantised(lows / full_scale),
            highs=_quantised(highs / full_scale),
            quiet=loudest < _QUIET * full_scale,
            highest=highest / full_scale,
            energy=energy,
            clipped=clipped,
        )

    return reduce


def mulaw_reducer() -> Reducer:
    """Gives the reducer of mu-law bytes (ITU-T G.711)."""
    # 0x00 is the most negative code and 0x80 the most positive: turning the upper half round puts them in order.
    return _law_reducer(_mulaw_values(), lambda code: code ^ (_sign(code) & _LOW_BITS))


def alaw_reducer() -> Reducer:
    """Gives the reducer of A-law bytes (ITU-T G.711)."""

    def rank(code: NDArray[np.uint8]) -> NDArray[np.uint8]:
        plain = code ^ _EVEN_BITS
        return plain ^ (~_sign(plain) & _LOW_BITS)

    return _law_reducer(_alaw_values(), rank)


def _law_reducer(
    values: NDArray[np.float64], rank: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> Reducer:
    """Works on bytes put in the order of what they stand for: no sample has to be expanded."""
    in_order = np.empty(256)
    in_order[rank(np.arange(256, dtype=np.uint8))] = values / 32768.0
    squares, magnitudes = np.square(values[np.argsort(values, kind="stable")]), np.abs(in_order)
    quantised, quiet_codes = _quantised(in_order), magnitudes < _QUIET

    def reduce(samples: NDArray[Any], window: int) -> Reduction:
        ranks = rank(samples)
        lows, highs = _extremes(ranks, window)
        counts = np.bincount(ranks, minlength=256)
        return Reduction(
            lows=quantised[lows],
            highs=quantised[highs],
            quiet=quiet_codes[lows] & quiet_codes[highs],
            highest=float(max(magnitudes[lows.min()], magnitudes[highs.max()])),
            energy=float((counts * squares).sum()) / 32768.0**2,
            clipped=int(counts[0] + counts[255]),
        )

    return reduce


def _sign(code: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gives all bits set where the highest bit is."""
    return (code.view(np.int8) >> np.int8(7)).view(np.uint8)


def _extremes(samples: NDArray[Any], window: int) -> tuple[NDArray[Any], NDArray[Any]]:
    starts = np.arange(0, len(samples), window)
    return np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)


def _quantised(values: NDArray[np.float64]) -> NDArray[np.int8]:
    # Towards zero, as audiowaveform divides.
    return np.clip(np.trunc(values * 128.0), -128, 127).astype(np.int8)


def _mulaw_values() -> NDArray[np.float64]:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int64) << 3) + 0x84 << ((code & 0x70) >> 4).astype(np.int64)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float64)


def _alaw_values() -> NDArray[np.float64]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = ((code & 0x70) >> 4).astype(np.int64)
    mantissa = (code & 0x0F).astype(np.int64) << 4
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float64)
