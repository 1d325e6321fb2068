"""M4A: boxes are followed (ISO/IEC 14496-12), the index is checked before a decoder believes it.

Whatever is not needed to decode the audio is renamed to `free` in place: tags, pictures, edit lists, references to
other files. Sizes and places stay, so nothing else has to change.
"""

import struct

from callward_ingest.domain.media import FindingCode
from callward_ingest.media.gates import OpenGate
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.mp4_index import IndexRefused, Mp4Index

MAX_BOXES = 1_000_000
"""The most boxes at the top of a file: eight hours in fragments of a tenth of a second."""
_MAX_FRAGMENT_BYTES = 1 << 20
_MAX_HEAD_BYTES = 4096


class Mp4Gate(OpenGate):
    """Passes on a file whose index comes first, also in fragments; says so when the index comes last."""

    def __init__(self, limits: MediaLimits) -> None:
        super().__init__()
        self._index = Mp4Index(limits)
        self._limits = limits
        self._held = bytearray()
        self._passing: int | None = 0  # bytes of the box under way; None: all that comes
        self._boxes = 0

    def accept(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what the decoder gets of them."""
        self._held += data
        out = bytearray()
        while self._held and not self.closed:
            if self._passing is None or self._passing:
                count = len(self._held) if self._passing is None else min(self._passing, len(self._held))
                out += self._held[:count]
                del self._held[:count]
                self._passing = None if self._passing is None else self._passing - count
                continue
            box = self._box()
            if box is None:
                break
            out += box
        return bytes(out)

    def conclude(self) -> None:
        """Finds a box that broke off."""
        if self.closed:
            return
        if not self._index.complete:
            self.close(FindingCode.unreadable, "The content ends before its index is whole.")
        elif self._held or self._passing:
            self.find(FindingCode.length_mismatch, "The content ends within a box.")

    def _box(self) -> bytes | None:
        """Takes a box, or its head where its body is passed on; None while more bytes are needed."""
        head = read_head(self._held)
        if head is None:
            return None
        name, size, head_size = head
        self._boxes += 1
        if self._boxes > MAX_BOXES or (size is not None and size < head_size):
            return self._refuse("The boxes are malformed.")
        if name in (b"moov", b"moof"):
            return self._index_box(name, size)
        if name == b"mdat" and not self._index.complete:
            self.wants_stored = self.closed = True
            return b""
        kept = name == b"mdat" or (name == b"ftyp" and size is not None and size <= _MAX_HEAD_BYTES)
        self._passing = None if size is None else size - head_size
        passed = bytes(self._held[:head_size])
        del self._held[:head_size]
        return passed if kept else passed[:4] + b"free" + passed[8:]

    def _index_box(self, name: bytes, size: int | None) -> bytes | None:
        most = self._limits.max_index_bytes if name == b"moov" else _MAX_FRAGMENT_BYTES
        if size is None or size > most:
            self.close(FindingCode.over_limits, f"The index takes more than {most} bytes.")
            return b""
        if len(self._held) < size:
            self._boxes -= 1
            return None
        box = self._held[:size]
        del self._held[:size]
        try:
            self._index.check(box)
        except IndexRefused as refused:
            self.close(refused.code, refused.text)
            return b""
        self.declared_packets = self._index.packets
        for code, text in self._index.found:
            self.find(code, text)
        return bytes(box)

    def _refuse(self, text: str) -> bytes:
        self.close(FindingCode.unreadable, text)
        return b""


def read_head(held: bytes | bytearray) -> tuple[bytes, int | None, int] | None:
    """Gives a box's name, its size (None: to the end of the file) and the size of its head; None if that is not there."""
    if len(held) < 8:
        return None
    size, name = struct.unpack_from(">I4s", held)
    if size == 1:
        if len(held) < 16:
            return None
        return name, struct.unpack_from(">Q", held, 8)[0], 16
    return name, size or None, 8
