"""Where the samples lie, known while the bytes stream by: of WAV files, and of raw G.711."""

from callward_ingest.domain.media import SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.signatures import SIGNATURE_BYTES, container_of
from callward_ingest.domain.wav import WavReader
from callward_ingest.domain.wave_format import WaveFormat

_SILENCE = {"pcm_mulaw": b"\xff", "pcm_alaw": b"\xd5", "pcm_u8": b"\x80"}
"""Silence per sample; every other coding here has zeros."""


class WavLayoutReader(WavReader):
    """A WavReader that also tells where the samples lie, as soon as it has passed the head of the file.

    It keeps a few dozen bytes and looks at headers alone, so it may be fed ahead of whatever changes the samples.
    """

    @property
    def layout(self) -> SampleLayout | None:
        """Where the samples lie; None until that is known, and for ever where frames cannot be counted."""
        stated = self.stated
        if stated is None:
            return None
        offset = self._data_offset
        assert offset is not None
        silence = _SILENCE.get(stated.codec, bytes(stated.bits // 8)) * stated.channels
        # A writer that cannot go back leaves 0: then the audio goes on to the end, as far as can be known here.
        return SampleLayout(offset, stated.frame_size, stated.sample_rate, silence, self._data_size or None)

    @property
    def stated(self) -> WaveFormat | None:
        """What the header states; None until the audio has begun, and where frames cannot be counted by it."""
        known = self._data_offset is not None and self._format is not None and self._format.frame_size > 0
        return self._format if known else None


def raw_layout(raw: RawFormat) -> SampleLayout | None:
    """Gives the layout of raw audio; None for G.722, whose samples depend on those before them."""
    if raw.codec == "g722":
        return None
    return SampleLayout(0, raw.channels, raw.sample_rate, _SILENCE[raw.codec] * raw.channels)


class LayoutReader:
    """Tells where the samples of any body lie. To be fed ahead of whatever silences samples: it looks at heads alone.

    `settled` is True once nothing more will become known; until then bytes may belong to the audio.
    """

    def __init__(self, raw: RawFormat | None) -> None:
        """`raw`: how raw audio is coded, where raw audio was declared."""
        self._raw = raw
        self._first = bytearray()
        self._wav: WavLayoutReader | None = None
        self._layout: SampleLayout | None = None
        self.settled = False

    @property
    def layout(self) -> SampleLayout | None:
        """Where the samples lie; None until that is known, and for ever where samples cannot be addressed."""
        return self._layout

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        if self.settled:
            return
        if self._wav is None:
            self._first += chunk
            if len(self._first) < SIGNATURE_BYTES:
                return
            chunk = bytes(self._first)
            self._begin(chunk)
        if self._wav is not None:
            self._wav.feed(chunk)
            self._layout = self._wav.layout
            self.settled = self._layout is not None

    def _begin(self, first: bytes) -> None:
        container = container_of(first, raw=self._raw is not None)
        if container == "wav":
            self._wav = WavLayoutReader()
            return
        self.settled = True
        if not container and self._raw is not None:
            self._layout = raw_layout(self._raw)
