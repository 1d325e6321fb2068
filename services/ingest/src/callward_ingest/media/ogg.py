"""Ogg with Opus in it: pages are followed, so that a decoder never holds more than a page and what it carries over.

RFC 3533 section 6 (pages), RFC 7845 (Opus: mapping, identification header).
"""

import struct

from callward_ingest.domain.media import FindingCode
from callward_ingest.media.gates import OpenGate
from callward_ingest.media.limits import MediaLimits

_CAPTURE = b"OggS"
_HEAD = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 0x02, 0x04
_NO_POSITION = -1
_OPUS = b"OpusHead"


class OggGate(OpenGate):
    """Passes on the pages of one logical stream of Opus after the other; finds others, gaps and a missing end."""

    def __init__(self, limits: MediaLimits) -> None:
        super().__init__()
        self._limits = limits
        self._held = bytearray()
        self._serial: int | None = None  # of the stream that is under way
        self._position = 0
        self._without_audio = 0
        self._ended = False

    def accept(self, data: bytes) -> bytes:
        """Takes the next bytes; returns the whole pages among them that the decoder gets."""
        self._held += data
        out, at = bytearray(), 0
        while not self.closed:
            size = self._page_size(at)
            if size is None:
                break
            if size < 0:
                at -= size
                continue
            if self._admits(at, size):
                out += self._held[at : at + size]
            at += size
        del self._held[:at]
        return bytes(out)

    def conclude(self) -> None:
        """Finds a page that broke off, and a stream that nothing ended."""
        if self.closed:
            return
        if self._held:
            self.find(FindingCode.length_mismatch, "The content ends within a page.")
        elif not self._ended:
            self.find(FindingCode.length_undeclared, "Nothing marks the end of the stream.")

    def _page_size(self, at: int) -> int | None:
        """Gives the size of the page at a place; a negative number of bytes to leave out; None while it is unknown."""
        held = self._held
        if len(held) - at < _HEAD.size:
            return None
        if held[at : at + 4] != _CAPTURE or held[at + 4] != 0:
            found = held.find(_CAPTURE, at + 1)
            self.find(FindingCode.damaged_audio, "Bytes lie between the pages.")
            # What may be the beginning of a mark stays.
            return at - (found if found >= 0 else len(held) - 3)
        segments = held[at + 26]
        body = at + _HEAD.size + segments
        if len(held) < body:
            return None
        size = _HEAD.size + segments + sum(held[at + _HEAD.size : body])
        return size if len(held) - at >= size else None

    def _admits(self, at: int, size: int) -> bool:
        _, _, flags, position, serial, *_ = _HEAD.unpack_from(self._held, at)
        if flags & _FIRST and not self._begins(at, serial):
            return False
        if serial != self._serial:
            return False
        self._ended = bool(flags & _LAST)
        if position in (_NO_POSITION, 0) or position <= self._position:
            self._without_audio += size
        else:
            self._position, self._without_audio = position, 0
        if self._without_audio > self._limits.max_header_bytes:
            text = f"{self._limits.max_header_bytes} bytes pass without any audio in them."
            self.close(FindingCode.over_limits, text)
            return False
        return True

    def _begins(self, at: int, serial: int) -> bool:
        """Looks at the first page of a stream; True when it is the one to follow."""
        if self._serial is not None and not self._ended:
            self.find(FindingCode.other_streams, "There is another stream beside the audio.")
            return False
        body = at + _HEAD.size + self._held[at + 26]
        if self._held[body : body + len(_OPUS)] != _OPUS:
            self.close(FindingCode.unsupported_codec, "Of Ogg only Opus is taken.")
            return False
        self._serial, self._position, self._without_audio = serial, 0, 0
        return True
