"""Waveforms stay bounded, whatever their length, and depend on the samples alone."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.media import MAX_PEAKS_BYTES
from callward_ingest.media.peaks import Peaks


def windows(count: int, channels: int, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    values = np.random.default_rng(seed).integers(-128, 128, (count, channels, 2), dtype=np.int8)
    return np.sort(values, axis=2)


@given(
    count=st.integers(0, 300),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    max_pairs=st.integers(1, 40),
)
def test_a_pixel_is_the_extremes_of_its_windows(
    count: int, channels: int, cuts: list[int], max_pairs: int
) -> None:
    arrived, peaks, at, turn = windows(count, channels), Peaks(channels, max_pairs=max_pairs), 0, 0
    while at < count:
        peaks.add(arrived[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
    encoded = peaks.encode(8000, 160)
    if not count:
        assert encoded == b""
        return
    most, per_pixel = max(1, max_pairs // channels), 1
    while count // per_pixel > most:
        per_pixel *= 2
    pixels = -(-count // per_pixel)
    assert struct.unpack_from("<iIiiIi", encoded) == (2, 1, 8000, 160 * per_pixel, pixels, channels)
    read = np.frombuffer(encoded, np.int8, offset=24).reshape(pixels, channels, 2)
    for pixel in range(pixels):
        stretch = arrived[pixel * per_pixel : (pixel + 1) * per_pixel]
        assert (read[pixel, :, 0] == stretch[..., 0].min(axis=0)).all()
        assert (read[pixel, :, 1] == stretch[..., 1].max(axis=0)).all()


def test_eight_hours_of_stereo_are_bounded() -> None:
    peaks = Peaks(2)
    for _ in range(8):
        peaks.add(windows(3600 * 50, 2))
    encoded = peaks.encode(8000, 160)
    _, _, _, per_pixel, pixels, _ = struct.unpack_from("<iIiiIi", encoded)
    assert len(encoded) <= MAX_PEAKS_BYTES
    # 0.64 seconds a pixel: 45,000 of them.
    assert (per_pixel, pixels) == (32 * 160, 45_000)
