"""The index of an M4A file: what it makes a decoder hold is counted first (ISO/IEC 14496-12 section 8)."""

import struct

from callward_ingest.domain.media import FindingCode
from callward_ingest.media.limits import MediaLimits

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"})
_LEAVES = frozenset(
    {
        *(b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"smhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco", b"co64"),
        *(b"trex", b"mfhd", b"tfhd", b"tfdt", b"trun"),
    }
)
_ENTRY_BYTES = {b"stts": 8, b"stsc": 12, b"stco": 4, b"co64": 8}
_MAX_FRAGMENT_SAMPLES = 65_536
_MAX_DEPTH = 6
_MAX_DESCRIPTION_BYTES = 4096


class IndexRefused(Exception):
    """The index cannot be given to a decoder."""

    def __init__(self, code: FindingCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Mp4Index:
    """Checks `moov` and `moof` boxes in place.

    `complete` is True once there was a `moov` with a track of audio; `packets` is how many all boxes name together.
    """

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self.packets = 0
        self._has_track = False
        self.complete = False
        self.found: list[tuple[FindingCode, str]] = []

    def check(self, box: bytearray) -> None:
        """Renames what is not needed, in place. Raises IndexRefused for what a decoder must not see."""
        is_index = box[4:8] == b"moov"
        if is_index and self.complete:
            raise IndexRefused(FindingCode.unreadable, "There is more than one index.")
        self._walk(box, 0, len(box), 0)
        if is_index and not self._has_track:
            raise IndexRefused(FindingCode.unreadable, "The index names no audio.")
        self.complete = self.complete or is_index

    def _walk(self, box: bytearray, start: int, end: int, depth: int) -> None:
        """Looks at one box that lies whole within the buffer."""
        name = bytes(box[start + 4 : start + 8])
        if name in _CONTAINERS and depth < _MAX_DEPTH:
            if name == b"trak" and not self._is_wanted(box, start, end):
                box[start + 4 : start + 8] = b"free"
                return
            for child, child_end in _children(box, start + 8, end):
                self._walk(box, child, child_end, depth + 1)
        elif name in _LEAVES:
            self._count(name, memoryview(box)[start + 8 : end])
        else:
            box[start + 4 : start + 8] = b"free"

    def _is_wanted(self, box: bytearray, start: int, end: int) -> bool:
        """True for the first track of sound."""
        # Full box: version and flags, 4 bytes; pre-defined, 4 bytes; handler type.
        place = box.find(b"hdlr", start, end)
        kind = bytes(box[place + 12 : place + 16]) if 0 <= place <= end - 16 else b""
        if kind == b"soun" and not self._has_track:
            self._has_track = True
            return True
        if kind in (b"soun", b"vide"):
            self.found.append((FindingCode.other_streams, "There is another stream beside the audio."))
        return False

    def _count(self, name: bytes, body: memoryview) -> None:
        if name in _ENTRY_BYTES:
            if _number(body, 4) * _ENTRY_BYTES[name] > len(body) - 8:
                raise IndexRefused(FindingCode.unreadable, "The index contradicts its own size.")
        elif name == b"stsz":
            samples = _number(body, 8)
            if not _number(body, 4) and samples * 4 > len(body) - 12:
                raise IndexRefused(FindingCode.unreadable, "The index contradicts its own size.")
            self._add(samples)
        elif name == b"trun":
            samples = _number(body, 4)
            if samples > _MAX_FRAGMENT_SAMPLES:
                raise IndexRefused(FindingCode.over_limits, "A fragment has too many packets.")
            self._add(samples)
        elif name == b"stsd" and (_number(body, 4) != 1 or len(body) > _MAX_DESCRIPTION_BYTES):
            raise IndexRefused(FindingCode.unreadable, "The audio is not described once.")

    def _add(self, samples: int) -> None:
        self.packets += samples
        if self.packets > self._limits.max_index_samples:
            text = f"The index names more than {self._limits.max_index_samples} packets."
            raise IndexRefused(FindingCode.over_limits, text)


def _children(box: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    children = []
    while start < end:
        if end - start < 8:
            raise IndexRefused(FindingCode.unreadable, "The boxes are malformed.")
        (size,) = struct.unpack_from(">I", box, start)
        if not 8 <= size <= end - start:
            raise IndexRefused(FindingCode.unreadable, "The boxes are malformed.")
        children.append((start, start + size))
        start += size
    return children


def _number(body: memoryview, at: int) -> int:
    if len(body) < at + 4:
        raise IndexRefused(FindingCode.unreadable, "The index contradicts its own size.")
    (number,) = struct.unpack_from(">I", body, at)
    return int(number)
