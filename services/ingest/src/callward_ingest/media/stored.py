"""M4A whose index is at its end, read from where it is stored: never from a file."""

import os
from dataclasses import dataclass

from callward_ingest.domain.media import Finding, FindingCode
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.mp4 import read_head
from callward_ingest.media.mp4_index import IndexRefused, Mp4Index
from callward_ingest.ports import StoredMedia

_BLOCK = 256 * 1024
_MAX_BOXES = 4096


class StoredMediaFailed(Exception):
    """The stored bytes could not be had. Its cause is what `read_at` raised."""


class StoredView:
    """The stored bytes as a decoder may see them: with a checked index, and without what it does not need."""

    def __init__(self, stored: StoredMedia, overlays: "list[Overlay]", packets: int) -> None:
        """`packets`: how many the index names."""
        self.declared_packets = packets
        self._source = _Blocks(stored)
        self._overlays = overlays
        self._size = stored.size
        self._position = 0

    @property
    def failure(self) -> BaseException | None:
        """What the stored bytes could not be had for; None when they could."""
        return self._source.failure

    def read(self, size: int) -> bytes:
        """Gives the next bytes, at most `size`; none at the end."""
        data = bytearray(self._source.read(self._position, size))
        for overlay in self._overlays:
            first = max(overlay.offset, self._position)
            last = min(overlay.offset + len(overlay.data), self._position + len(data))
            if first < last:
                replacement = overlay.data[first - overlay.offset : last - overlay.offset]
                data[first - self._position : last - self._position] = replacement
        self._position += len(data)
        return bytes(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place; returns it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Says where the next bytes come from."""
        return self._position


@dataclass(frozen=True, slots=True)
class Overlay:
    """Bytes that stand in for those at a place."""

    offset: int
    data: bytes


def open_stored(stored: StoredMedia, limits: MediaLimits) -> tuple[StoredView | None, list[Finding]]:
    """Walks the boxes and checks the index. Gives no view when there is nothing a decoder may see, with findings.

    Raises StoredMediaFailed.
    """
    source, index = _Blocks(stored), Mp4Index(limits)
    overlays: list[Overlay] = []
    try:
        _walk(source, stored.size, index, limits, overlays)
    except IndexRefused as refused:
        return None, [Finding(refused.code, refused.text)]
    finally:
        if source.failure is not None:
            raise StoredMediaFailed from source.failure
    findings = [Finding(code, text) for code, text in index.found]
    if not index.complete:
        return None, [*findings, Finding(FindingCode.unreadable, "There is no index.")]
    return StoredView(stored, overlays, index.packets), findings


def _walk(
    source: "_Blocks", size: int, index: Mp4Index, limits: MediaLimits, overlays: list[Overlay]
) -> None:
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= size:
            return
        head = read_head(source.read(at, 16))
        if head is None or (head[1] is not None and head[1] < head[2]):
            raise IndexRefused(FindingCode.unreadable, "The boxes are malformed.")
        name, stated, _ = head
        box_size = size - at if stated is None else stated
        if at + box_size > size:
            raise IndexRefused(FindingCode.length_mismatch, "The content ends within a box.")
        if name == b"moov":
            if box_size > limits.max_index_bytes:
                text = f"The index takes more than {limits.max_index_bytes} bytes."
                raise IndexRefused(FindingCode.over_limits, text)
            box = bytearray(source.read(at, box_size))
            index.check(box)
            overlays.append(Overlay(at, bytes(box)))
        elif name not in (b"ftyp", b"mdat"):
            overlays.append(Overlay(at + 4, b"free"))
        at += box_size
    raise IndexRefused(FindingCode.over_limits, f"There are more than {_MAX_BOXES} boxes.")


class _Blocks:
    """Reads in blocks and keeps the last, so that small reads do not ask the store each time."""

    def __init__(self, stored: StoredMedia) -> None:
        self._stored = stored
        self._size = stored.size
        self._start, self._block = 0, b""
        self.failure: BaseException | None = None

    def read(self, offset: int, size: int) -> bytes:
        out = bytearray()
        size = max(0, min(size, self._size - offset))
        while len(out) < size:
            at = offset + len(out)
            if not self._start <= at < self._start + len(self._block):
                self._start = at // _BLOCK * _BLOCK
                self._block = self._fetch(self._start)
            piece = self._block[at - self._start : at - self._start + size - len(out)]
            if not piece:
                break
            out += piece
        return bytes(out)

    def _fetch(self, start: int) -> bytes:
        try:
            return self._stored.read_at(start, min(_BLOCK, self._size - start))
        except Exception as error:
            self.failure = error
            raise StoredMediaFailed from error
