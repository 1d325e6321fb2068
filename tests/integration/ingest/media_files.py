"""Makes real files of every kind by PyAV's encoders, and feeds them to readers."""

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from callward_ingest.domain.media import MediaReport
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.media import MediaLimits, media_readers
from callward_ingest.ports import StoredMedia


@dataclass(frozen=True)
class Kind:
    """A kind of file: how it is encoded, and what a reader should say of it."""

    declared: str
    muxer: str
    encoder: str
    codec: str
    container: str
    rate: int
    movflags: str = ""


KINDS = {
    "ogg": Kind("audio/ogg;codecs=opus", "ogg", "libopus", "opus", "ogg", 48_000),
    "mp3": Kind("audio/mpeg", "mp3", "libmp3lame", "mp3", "mp3", 44_100),
    "flac": Kind("audio/flac", "flac", "flac", "flac", "flac", 8_000),
    "m4a": Kind("audio/mp4", "ipod", "aac", "aac", "mp4", 48_000, "faststart"),
    "fragmented": Kind(
        "audio/mp4", "mp4", "aac", "aac", "mp4", 48_000, "empty_moov+default_base_moof+frag_keyframe"
    ),
    "m4a-index-last": Kind("audio/mp4", "ipod", "aac", "aac", "mp4", 48_000),
}
G722 = Kind("audio/G722", "g722", "g722", "g722", "raw", 16_000)


def tone(rate: int, channels: int, seconds: float, amplitude: float = 0.5) -> NDArray[np.int16]:
    """Gives a sine of 440 Hz; every channel has half the amplitude of the one before."""
    at = np.arange(int(rate * seconds)) / rate
    wave = amplitude * np.sin(2 * np.pi * 440 * at)
    return np.stack([np.round(wave * 32767 / 2**channel) for channel in range(channels)]).astype(np.int16)


def encode(kind: Kind, samples: NDArray[np.int16], folder: Path) -> bytes:
    """Encodes samples of one row per channel. Some muxers read what they wrote: they need a file."""
    path = folder / "encoded"
    options = {"movflags": kind.movflags} if kind.movflags else {}
    if "empty_moov" in kind.movflags:
        options["frag_duration"] = "200000"
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", format=kind.muxer, container_options=options) as container:
        stream = container.add_stream(kind.encoder, rate=kind.rate, layout=layout)
        assert isinstance(stream, AudioStream)
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=kind.rate)
        for frame in _frames(samples, layout, kind.rate):
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    path.unlink()
    return content


def _frames(samples: NDArray[np.int16], layout: str, rate: int) -> Iterable[av.AudioFrame]:
    for start in range(0, samples.shape[1], 960):
        block = np.ascontiguousarray(samples[:, start : start + 960])
        frame = av.AudioFrame.from_ndarray(block, format="s16p", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def wav(samples: NDArray[np.int16], rate: int) -> bytes:
    """Gives a WAV file of 16-bit PCM."""
    audio, channels = samples.T.astype("<i2").tobytes(), len(samples)
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    body = b"WAVEfmt " + form + b"data" + struct.pack("<I", len(audio)) + audio
    return b"RIFF" + struct.pack("<I", len(body)) + body


class Stored:
    """A body that can be read at any place; counts how often."""

    def __init__(self, content: bytes, *, fails: bool = False) -> None:
        self._content = content
        self._fails = fails
        self.reads = 0

    @property
    def size(self) -> int:
        return len(self._content)

    def read_at(self, offset: int, size: int) -> bytes:
        self.reads += 1
        if self._fails:
            raise ConnectionError("the store is away")
        return self._content[offset : offset + size]


async def report(
    declared: str,
    pieces: Iterable[bytes],
    *,
    limits: MediaLimits | None = None,
    stored: StoredMedia | None = None,
) -> MediaReport:
    """Feeds pieces to a reader for the declared type, and gives its report."""
    media = parse_media_type(declared)
    reader = media_readers(limits)(media.media_type, media.raw)
    try:
        for piece in pieces:
            await reader.feed(piece)
        return await (reader.finish() if stored is None else reader.finish_from(stored))
    finally:
        await reader.close()


def cut(content: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cuts content into pieces of these sizes, over and over; the rest is the last piece."""
    source, rhythm = io.BytesIO(content), list(sizes)
    pieces: list[bytes] = []
    while True:
        piece = source.read(rhythm[len(pieces) % len(rhythm)])
        if not piece:
            return pieces
        pieces.append(piece)
