"""Fakes of what reads and silences media."""

from collections.abc import Sequence

from callward_ingest.domain.masking import MaskInterval
from callward_ingest.domain.media import MediaReport, SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.wav import WavReader
from callward_ingest.ports import StoredMedia


class NoMasks:
    """A MaskIntervals of calls that nobody marks."""

    position = 0

    async def watch(self, tenant: str, call_id: str, leg_id: str | None) -> "NoMasks":
        return self

    def __call__(self) -> Sequence[MaskInterval]:
        return ()

    async def refresh(self, *, force: bool = False) -> None:
        return None


class WavOnly:
    """A MediaReader without decoder: the structure of WAV, and peaks that say how much there was."""

    def __init__(self) -> None:
        self._reader, self._size = WavReader(), 0
        self.closed = False

    @property
    def layout(self) -> SampleLayout | None:
        return None

    async def feed(self, chunk: bytes) -> None:
        assert not self.closed
        self._size += len(chunk)
        self._reader.feed(chunk)

    async def finish(self) -> MediaReport:
        return MediaReport(self._reader.finish(), (), f"peaks of {self._size}".encode())

    async def finish_from(self, stored: StoredMedia) -> MediaReport:
        return await self.finish()

    async def close(self) -> None:
        self.closed = True


def wav_only(media_type: str, raw: RawFormat | None) -> WavOnly:
    """Gives a reader for whatever is declared."""
    return WavOnly()
