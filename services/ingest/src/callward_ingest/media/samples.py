"""From bytes and from decoded arrays to the meter: in blocks of a fixed size, so that cuts make no difference."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callward_ingest.domain.media import ChannelLevel
from callward_ingest.domain.wave_format import WaveFormat
from callward_ingest.media.meter import Meter
from callward_ingest.media.reductions import Reducer, alaw_reducer, linear_reducer, mulaw_reducer

Samples = NDArray[Any]
BLOCK_FRAMES = 65_536
"""About how many frames a block has: whole windows, and enough of them that the cost of a call does not matter."""


class BlockMeter:
    """Measures blocks of frames, one contiguous array per channel."""

    def __init__(self, channels: int, sample_rate: int, reducer: Reducer) -> None:
        self._meter = Meter(channels, sample_rate)
        self._reduce = reducer
        self.block = self._meter.window * max(1, BLOCK_FRAMES // self._meter.window)

    def add(self, channels: list[Samples]) -> None:
        """Takes the next block; only the last may be shorter than `block` frames."""
        if len(channels[0]):
            window = self._meter.window
            self._meter.add([self._reduce(samples, window) for samples in channels], len(channels[0]))

    def levels(self) -> tuple[ChannelLevel, ...]:
        """Gives the level of each channel."""
        return self._meter.levels()

    def peaks(self) -> bytes:
        """Gives the waveform."""
        return self._meter.peaks()


class BytesMeter:
    """Measures interleaved samples as they lie in WAV files and raw audio."""

    def __init__(self, stated: WaveFormat) -> None:
        read, reducer = _coding(stated)
        self._read, self._channels = read, stated.channels
        self._frame = stated.frame_size
        self._blocks = BlockMeter(stated.channels, stated.sample_rate, reducer)
        self._block_bytes = self._blocks.block * stated.frame_size
        self._held = bytearray()

    def feed(self, audio: memoryview) -> None:
        """Takes the next bytes of audio."""
        while len(audio):
            if not self._held and len(audio) >= self._block_bytes:
                self._measure(audio[: self._block_bytes])
                audio = audio[self._block_bytes :]
                continue
            taken = min(self._block_bytes - len(self._held), len(audio))
            self._held += audio[:taken]
            audio = audio[taken:]
            if len(self._held) == self._block_bytes:
                self._measure(bytes(self._held))
                self._held.clear()

    def finish(self) -> tuple[tuple[ChannelLevel, ...], bytes]:
        """Gives levels and waveform of all whole frames."""
        whole = len(self._held) // self._frame * self._frame
        if whole:
            self._measure(bytes(self._held[:whole]))
            self._held.clear()
        return self._blocks.levels(), self._blocks.peaks()

    def _measure(self, block: bytes | memoryview) -> None:
        samples = self._read(block)
        self._blocks.add(
            [np.ascontiguousarray(samples[channel :: self._channels]) for channel in range(self._channels)]
        )


class ArrayMeter:
    """Measures decoded audio: arrays of one row per channel, of 16 or 32 bit integers or of floats."""

    def __init__(self, channels: int, sample_rate: int, kind: np.dtype[Any]) -> None:
        self._floats = kind.kind == "f"
        top = 1.0 if self._floats else float(np.iinfo(kind).max)
        reducer = linear_reducer(1.0 if self._floats else top + 1, top)
        self._blocks = BlockMeter(channels, sample_rate, reducer)
        self._held: list[Samples] = []
        self._frames = 0

    def feed(self, arrived: Samples) -> None:
        """Takes the next frames. What is no number counts as silence, what is beyond all measure as +12 dBFS."""
        if self._floats:
            arrived = np.clip(np.nan_to_num(arrived), -4.0, 4.0)
        self._held.append(arrived)
        self._frames += arrived.shape[1]
        if self._frames >= self._blocks.block:
            held = np.concatenate(self._held, axis=1)
            whole = self._frames // self._blocks.block * self._blocks.block
            for start in range(0, whole, self._blocks.block):
                self._blocks.add(list(held[:, start : start + self._blocks.block]))
            self._held, self._frames = [held[:, whole:].copy()], self._frames - whole

    def finish(self) -> tuple[tuple[ChannelLevel, ...], bytes]:
        """Gives levels and waveform."""
        if self._frames:
            self._blocks.add([np.ascontiguousarray(row) for row in np.concatenate(self._held, axis=1)])
            self._held, self._frames = [], 0
        return self._blocks.levels(), self._blocks.peaks()


def _coding(stated: WaveFormat) -> tuple[Callable[[bytes | memoryview], Samples], Reducer]:
    match stated.codec:
        case "pcm_mulaw":
            return _unsigned, mulaw_reducer()
        case "pcm_alaw":
            return _unsigned, alaw_reducer()
        case "pcm_u8":
            return _around_zero, linear_reducer(128.0, 127.0)
        case "pcm_s16le":
            return _sixteen, linear_reducer(32768.0, 32767.0)
        case "pcm_s24le":
            return _twenty_four, linear_reducer(float(1 << 23), float((1 << 23) - 1))
        case "pcm_s32le":
            return _thirty_two, linear_reducer(float(1 << 31), float((1 << 31) - 1))
        case other:
            raise ValueError(f"{other} has no samples that can be read from bytes")


def _unsigned(block: bytes | memoryview) -> Samples:
    return np.frombuffer(block, np.uint8)


def _around_zero(block: bytes | memoryview) -> Samples:
    return np.frombuffer(block, np.uint8).astype(np.int16) - 128


def _sixteen(block: bytes | memoryview) -> Samples:
    return np.frombuffer(block, "<i2")


def _twenty_four(block: bytes | memoryview) -> Samples:
    padded = np.zeros((len(block) // 3, 4), np.uint8)
    padded[:, 1:] = np.frombuffer(block, np.uint8).reshape(-1, 3)
    return padded.view("<i4").reshape(-1) >> 8


def _thirty_two(block: bytes | memoryview) -> Samples:
    return np.frombuffer(block, "<i4")
