"""One body: what its first bytes are decides how it is read, what was declared is compared with that."""

from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from callward_ingest.domain.layouts import raw_layout
from callward_ingest.domain.media import Finding, FindingCode, MediaFacts, MediaReport, SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.signatures import SIGNATURE_BYTES, container_of
from callward_ingest.media.decoded import DecodedMeasure
from callward_ingest.media.gates import Gate, OpenGate
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.mp4 import Mp4Gate
from callward_ingest.media.ogg import OggGate
from callward_ingest.media.sampled import RawLawMeasure, WavMeasure
from callward_ingest.media.tags import FlacGate, Mp3Gate
from callward_ingest.ports import MediaReaders, StoredMedia

_DECLARED = {
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/mp4": "mp4",
}


class _Measure(Protocol):
    @property
    def layout(self) -> SampleLayout | None: ...

    async def feed(self, chunk: bytes) -> None: ...

    async def finish(self, stored: StoredMedia | None = None) -> MediaReport: ...

    async def close(self) -> None: ...


class StreamReader:
    """A MediaReader: holds the first bytes until it is known what they are, then one kind of measure has them all."""

    def __init__(self, declared: str, raw: RawFormat | None, limits: MediaLimits) -> None:
        """`declared`: the media type without parameters; `raw`: how raw audio is coded."""
        self._declared = declared
        self._raw = raw
        self._limits = limits
        self._first = bytearray()
        self._measure: _Measure | None = None
        self._closed = False
        self._report: MediaReport | None = None

    @property
    def layout(self) -> SampleLayout | None:
        """Where frames lie and what their silence is, for sample-addressable media, as soon as it is known."""
        return self._measure.layout if self._measure is not None else None

    async def feed(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises ValueError after `finish` or `close` only."""
        if self._closed or self._report is not None:
            raise ValueError("this reader has finished")
        if self._measure is None:
            self._first += chunk
            if len(self._first) < SIGNATURE_BYTES:
                return
            chunk = self._begin()
        await self._measure_all(chunk)

    async def finish(self) -> MediaReport:
        """Returns what was measured of all that was fed. Asked again, it gives the same report.

        Raises ValueError where it was closed first and the content had to be decoded.
        """
        return await self._finish(None)

    async def finish_from(self, stored: StoredMedia) -> MediaReport:
        """Returns what was measured; what can be read by seeking alone is read from `stored`."""
        return await self._finish(stored)

    async def close(self) -> None:
        """Lets go of decoder and thread; calling it again does nothing."""
        self._closed = True
        if self._measure is not None:
            await self._measure.close()

    async def _measure_all(self, chunk: bytes) -> None:
        assert self._measure is not None
        await self._measure.feed(chunk)

    def _begin(self) -> bytes:
        first = bytes(self._first)
        self._first.clear()
        self._measure = self._choose(first)
        return first

    def _choose(self, first: bytes) -> _Measure:
        container = container_of(first, raw=self._raw is not None)
        if container == "wav":
            return WavMeasure()
        gate: Gate | None = None
        match container:
            case "ogg":
                gate = OggGate(self._limits)
            case "mp3":
                gate = Mp3Gate(self._limits.max_tag_bytes)
            case "flac":
                gate = FlacGate(self._limits.max_tag_bytes)
            case "mp4":
                gate = Mp4Gate(self._limits)
        if gate is not None:
            return DecodedMeasure(container, gate, self._limits)
        if self._raw is None:
            return _Nothing()
        if raw_layout(self._raw) is None:
            return DecodedMeasure("raw", OpenGate(), self._limits)
        return RawLawMeasure(self._raw)

    async def _finish(self, stored: StoredMedia | None) -> MediaReport:
        if self._report is None:
            if self._measure is None:
                await self._measure_all(self._begin())
            assert self._measure is not None
            report = await self._measure.finish(stored)
            self._report = self._compared(report)
        return self._report

    def _compared(self, report: MediaReport) -> MediaReport:
        """Adds what is wrong with the declaration, and that there was nothing at all."""
        facts = report.facts
        container = "wav" if facts.container in ("rf64", "bw64") else facts.container
        declared = "raw" if self._raw is not None else _DECLARED.get(self._declared, "")
        findings = facts.findings
        if not facts.total_bytes:
            findings = (Finding(FindingCode.empty, "There are no bytes at all."),)
        elif container and container != declared:
            text = f"The content is {facts.media_type}, which is not what was declared."
            findings = (Finding(FindingCode.not_declared_type, text), *findings)
        return replace(report, facts=replace(facts, findings=findings))


class _Nothing:
    """Measures what is no audio that is taken: counts bytes."""

    layout: SampleLayout | None = None

    def __init__(self) -> None:
        self._size = 0

    async def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)

    async def finish(self, stored: StoredMedia | None = None) -> MediaReport:
        finding = Finding(FindingCode.not_audio, "The content is none of the kinds of audio that are taken.")
        facts = MediaFacts("", "", 0, 0, 0, None, 0, self._size, 0, Fraction(0), 0, None, (finding,))
        return MediaReport(facts)

    async def close(self) -> None:
        return


def media_readers(limits: MediaLimits | None = None) -> MediaReaders:
    """Gives what makes a reader for each body. Readers are used in the loop they were made in."""
    chosen = limits or MediaLimits()
    return lambda media_type, raw: StreamReader(media_type, raw, chosen)
