"""What is needed to measure, silence and seal media."""

from collections.abc import Callable, Sequence
from typing import Protocol

from callward_ingest.domain.masking import MaskInterval
from callward_ingest.domain.media import MediaReport, SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.recordings import Manifest


class StoredMedia(Protocol):
    """The bytes of one body that was stored, to be read at any place. Called in a worker thread, never in the loop."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Returns `size` bytes from `offset`, fewer only where the body ends."""
        ...


class MediaReader(Protocol):
    """Measures one body as it passes. No content makes it raise; memory is bounded; nothing is written anywhere."""

    @property
    def layout(self) -> SampleLayout | None:
        """Where frames lie and what their silence is, for sample-addressable media, as soon as it is known."""
        ...

    async def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        ...

    async def finish(self) -> MediaReport:
        """Returns what was measured of all that was fed."""
        ...

    async def finish_from(self, stored: StoredMedia) -> MediaReport:
        """Does what `finish` does, and measures from `stored`, the same bytes, what can be read by seeking alone.

        Nothing is asked of `stored` unless that is needed (M4A whose index is at its end). Raises whatever it raises:
        that bytes cannot be had says nothing about the content.
        """
        ...

    async def close(self) -> None:
        """Lets go of decoder and thread; calling it again does nothing."""
        ...


class MaskWatch(Protocol):
    """What is masked of one recording while it comes in: calling it gives what was known at the last `refresh`."""

    def __call__(self) -> Sequence[MaskInterval]:
        """Returns when the recording is silenced, in order, without asking anybody."""
        ...

    @property
    def position(self) -> int:
        """How many marks of the call are known."""
        ...

    async def refresh(self, *, force: bool = False) -> None:
        """Reads what is new, at most once a second, at once after a mark of this process, or when forced to."""
        ...


class MaskIntervals(Protocol):
    """Says what is masked, also to uploads that run for hours."""

    async def watch(self, tenant: str, call_id: str, leg_id: str | None) -> MaskWatch:
        """Returns a watch that has been refreshed once; `leg_id` None: the recording holds the whole call."""
        ...


MediaReaders = Callable[[str, RawFormat | None], MediaReader]
"""Gives a reader for one body, by the type that was declared without its parameters, and how raw audio is coded."""
ManifestEncoder = Callable[[Manifest], bytes]
"""Gives the manifest's bytes: they are hashed, stored verbatim and never made again."""
