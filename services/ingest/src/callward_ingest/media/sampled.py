"""Media whose bytes are its samples: WAV files and raw G.711, measured in passing, in the loop itself."""

import asyncio
from fractions import Fraction

from callward_ingest.domain.layouts import WavLayoutReader, raw_layout
from callward_ingest.domain.media import Finding, FindingCode, MediaFacts, MediaReport, SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.wave_format import WaveFormat
from callward_ingest.media.samples import BytesMeter
from callward_ingest.ports import StoredMedia

_AT_ONCE = 128 * 1024
"""How many bytes are looked at before others have their turn: about half a millisecond."""


class WavMeasure:
    """Measures a WAV file: its structure by the WavReader of the domain, its samples as they pass."""

    def __init__(self) -> None:
        self._walk = WavLayoutReader()
        self._meter: BytesMeter | None = None
        self._position = 0

    @property
    def layout(self) -> SampleLayout | None:
        """Where the samples lie, as soon as the head has passed."""
        return self._walk.layout

    async def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        for piece in _pieces(chunk):
            self._walk.feed(piece)
            self._measure(piece)
            self._position += len(piece)
            if len(piece) < len(chunk):
                await asyncio.sleep(0)

    async def finish(self, stored: StoredMedia | None = None) -> MediaReport:
        """Gives the report on all that was fed."""
        facts = self._walk.finish()
        if self._meter is None or not facts.frames:
            return MediaReport(facts)
        levels, peaks = self._meter.finish()
        return MediaReport(facts, levels, peaks)

    async def close(self) -> None:
        """Does nothing: there is nothing to let go of."""

    def _measure(self, piece: memoryview) -> None:
        layout, stated = self._walk.layout, self._walk.stated
        if layout is None or stated is None:
            return
        if self._meter is None:
            self._meter = BytesMeter(stated)
        first = max(0, layout.data_offset - self._position)
        end = len(piece)
        if layout.data_size is not None:
            end = min(end, layout.data_offset + layout.data_size - self._position)
        if first < end:
            self._meter.feed(piece[first:end])


class RawLawMeasure:
    """Measures raw G.711: every byte is a sample."""

    def __init__(self, raw: RawFormat) -> None:
        self._raw = raw
        self._meter = BytesMeter(WaveFormat(raw.codec, raw.channels, raw.sample_rate, 8, raw.channels, ()))
        self._size = 0

    @property
    def layout(self) -> SampleLayout | None:
        """Where the samples lie: everywhere."""
        return raw_layout(self._raw)

    async def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        self._size += len(chunk)
        for piece in _pieces(chunk):
            self._meter.feed(piece)
            if len(piece) < len(chunk):
                await asyncio.sleep(0)

    async def finish(self, stored: StoredMedia | None = None) -> MediaReport:
        """Gives the report on all that was fed."""
        levels, peaks = self._meter.finish()
        return MediaReport(self._facts(), levels, peaks)

    async def close(self) -> None:
        """Does nothing: there is nothing to let go of."""

    def _facts(self) -> MediaFacts:
        raw = self._raw
        frames, partial = divmod(self._size, raw.channels)
        findings = []
        if not frames:
            findings.append(Finding(FindingCode.silent_empty, "There is not one whole frame of audio."))
        if partial:
            text = f"The audio ends with {partial} bytes of a frame of {raw.channels}."
            findings.append(Finding(FindingCode.trailing_partial_frame, text))
        return MediaFacts(
            container="raw",
            codec=raw.codec,
            channels=raw.channels,
            sample_rate=raw.sample_rate,
            bits=8,
            declared_bytes=None,
            audio_bytes=self._size,
            total_bytes=self._size,
            frames=frames,
            duration=Fraction(frames, raw.sample_rate),
            bytes_per_second=raw.sample_rate * raw.channels,
            data_offset=0,
            findings=tuple(findings),
        )


def _pieces(chunk: bytes) -> list[memoryview]:
    view = memoryview(chunk)
    return [view[start : start + _AT_ONCE] for start in range(0, len(view), _AT_ONCE)]
