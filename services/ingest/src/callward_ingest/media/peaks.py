"""Waveforms in the binary format, version 2, of the BBC's audiowaveform: what peaks.js draws.

The header has 24 bytes, little-endian: version (int32, 2), flags (uint32, bit 0 set: 8 bit), sample rate (int32),
samples per pixel (int32), pixels (uint32), channels (int32). For each pixel and in it for each channel there follow
the lowest and the highest sample as int8. Source: bbc/audiowaveform, doc/DataFormat.md.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from callward_ingest.domain.media import MAX_PEAK_PAIRS

_VERSION, _EIGHT_BIT = 2, 1
_MOST_PIECES = 64
_HEADER = struct.Struct("<iIiiIi")


class Peaks:
    """Builds one waveform from windows: a pixel begins as one window, and doubles whenever there are too many.

    What results depends on the windows alone, not on how they arrive, and never takes more than MAX_PEAKS_BYTES.
    """

    def __init__(self, channels: int, *, max_pairs: int = MAX_PEAK_PAIRS) -> None:
        """`max_pairs`: the most pairs of lowest and highest in all; a channel gets its equal share."""
        self._channels = channels
        self._max_pixels = max(1, max_pairs // channels)
        self._windows_per_pixel = 1
        self._pieces: list[NDArray[np.int8]] = []  # of pixels
        self._count = 0  # of pixels in all pieces
        self._rest = _nothing(channels)  # windows that do not make a whole pixel yet

    def add(self, arrived: NDArray[np.int8]) -> None:
        """Takes the next windows: per window and channel the lowest and the highest sample in 128ths of full scale."""
        windows = np.concatenate((self._rest, arrived)) if len(self._rest) else arrived
        whole = len(windows) // self._windows_per_pixel * self._windows_per_pixel
        self._pieces.append(_merged(windows[:whole], self._windows_per_pixel))
        self._rest = windows[whole:].copy()
        self._count += len(self._pieces[-1])
        if len(self._pieces) > _MOST_PIECES:
            self._pieces = [np.concatenate(self._pieces)]
        while self._count > self._max_pixels:
            self._double()

    def encode(self, sample_rate: int, window: int) -> bytes:
        """Gives the file: `window` is how many samples of a channel a window has. Empty when nothing was added."""
        pieces = list(self._pieces)
        if len(self._rest):
            pieces.append(_merged(self._rest, len(self._rest)))
        pixels = np.concatenate((_nothing(self._channels), *pieces))
        if not len(pixels):
            return b""
        per_pixel = window * self._windows_per_pixel
        header = _HEADER.pack(_VERSION, _EIGHT_BIT, sample_rate, per_pixel, len(pixels), self._channels)
        return header + pixels.tobytes()

    def _double(self) -> None:
        pixels = np.concatenate(self._pieces)
        even = self._count // 2 * 2
        if even < self._count:
            # The odd pixel goes back among the windows, once for each of those it was made of.
            stand_in = np.repeat(pixels[even:], self._windows_per_pixel, axis=0)
            self._rest = np.concatenate((stand_in, self._rest))
        self._pieces = [_merged(pixels[:even], 2)]
        self._count = even // 2
        self._windows_per_pixel *= 2


def _nothing(channels: int) -> NDArray[np.int8]:
    return np.empty((0, channels, 2), dtype=np.int8)


def _merged(windows: NDArray[np.int8], count: int) -> NDArray[np.int8]:
    if count == 1:
        return windows
    table = windows.reshape(-1, count, *windows.shape[1:])
    return np.stack((table[..., 0].min(axis=1), table[..., 1].max(axis=1)), axis=2)
