"""Levels and a waveform of audio that arrives in pieces of any size."""

import math

import numpy as np

from callward_ingest.domain.media import LEVEL_FLOOR, ChannelLevel
from callward_ingest.media.peaks import Peaks
from callward_ingest.media.reductions import Reduction

WINDOWS_PER_SECOND = 50
"""A window has 20 ms."""


class Meter:
    """Adds up what the reducers leave. Every piece but the last has to be of whole windows."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.window = max(1, sample_rate // WINDOWS_PER_SECOND)
        self._channels, self._sample_rate = channels, sample_rate
        self._frames = 0
        self._peaks = Peaks(channels)
        self._energy = [0.0] * channels
        self._clipped = [0] * channels
        self._highest = [0.0] * channels
        self._silent = [0] * channels

    def add(self, reductions: list[Reduction], frames: int) -> None:
        """Takes one reduction per channel of the next `frames` frames."""
        self._frames += frames
        windows = np.empty((len(reductions[0].lows), self._channels, 2), dtype=np.int8)
        for channel, part in enumerate(reductions):
            self._energy[channel] += part.energy
            self._clipped[channel] += part.clipped
            self._highest[channel] = max(self._highest[channel], part.highest)
            missing = len(part.quiet) * self.window - frames if part.quiet[-1] else 0
            self._silent[channel] += int(np.count_nonzero(part.quiet)) * self.window - missing
            windows[:, channel, 0], windows[:, channel, 1] = part.lows, part.highs
        self._peaks.add(windows)

    def levels(self) -> tuple[ChannelLevel, ...]:
        """Gives the level of each channel; none when there was no audio."""
        if not self._frames:
            return ()
        return tuple(
            ChannelLevel(
                rms_dbfs=_decibels(math.sqrt(energy / self._frames)),
                peak_dbfs=_decibels(highest),
                silence=round(silent / self._frames, 4),
                clipped=clipped,
            )
            for energy, highest, silent, clipped in zip(
                self._energy, self._highest, self._silent, self._clipped, strict=True
            )
        )

    def peaks(self) -> bytes:
        """Gives the waveform; empty when there was no audio."""
        return self._peaks.encode(self._sample_rate, self.window)


def _decibels(ratio: float) -> float:
    if ratio <= 0:
        return LEVEL_FLOOR
    return max(LEVEL_FLOOR, round(20 * math.log10(ratio), 2) + 0.0)  # no minus before a zero
