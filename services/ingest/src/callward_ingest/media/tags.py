"""MP3 and FLAC: tags and pictures before the audio are passed over and never read (ID3v2.4; RFC 9639 section 8)."""

import struct
from collections.abc import Callable

from callward_ingest.domain.media import FindingCode
from callward_ingest.media.gates import OpenGate

_STREAMINFO, _INVALID = 0, 127
_STREAMINFO_BYTES = 34


class HeadGate(OpenGate):
    """Walks what stands before the audio, in steps that each ask for a few bytes; then passes everything on."""

    def __init__(self, max_tag_bytes: int) -> None:
        """`max_tag_bytes`: the most that may stand before the audio."""
        super().__init__()
        self._max_tag_bytes = max_tag_bytes
        self._held = bytearray()
        self._walking = True
        self._passing = self._passed = self._wanted = 0
        self._step: Callable[[], bytes] = self._begin_audio

    def accept(self, data: bytes) -> bytes:
        """Takes the next bytes; returns the audio among them."""
        if self.closed:
            return b""
        if not self._walking:
            return data
        self._held += data
        out = bytearray()
        while not self._settled():
            skipped = min(self._passing, len(self._held))
            del self._held[:skipped]
            self._passing -= skipped
            if self._passing or len(self._held) < self._wanted:
                return bytes(out)
            out += self._step()
        if not self.closed:
            out += self._held
        self._held.clear()
        return bytes(out)

    def conclude(self) -> None:
        """Finds a body that ended before its audio began."""
        if not self._settled():
            self.close(FindingCode.unreadable, "The content ends before its audio begins.")

    def _settled(self) -> bool:
        return self.closed or not self._walking

    def _then(self, step: Callable[[], bytes], *, wanted: int, after: int = 0) -> None:
        """Goes on with a step that needs `wanted` bytes, behind `after` bytes that nobody looks at."""
        self._passing, self._wanted, self._step = after, wanted, step
        self._passed += after
        if self._passed > self._max_tag_bytes:
            text = f"More than {self._max_tag_bytes} bytes of tags stand before the audio."
            self.close(FindingCode.over_limits, text)

    def _begin_audio(self) -> bytes:
        self._walking = False
        return b""

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken


class Mp3Gate(HeadGate):
    """Passes over ID3v2 tags (id3v2.4.0-structure, section 3.1)."""

    def __init__(self, max_tag_bytes: int) -> None:
        super().__init__(max_tag_bytes)
        self._then(self._on_tag, wanted=10)

    def _on_tag(self) -> bytes:
        if self._held[:3] != b"ID3":
            return self._begin_audio()
        head = self._take(10)
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        footer = 10 if head[5] & 0x10 else 0
        self._then(self._on_tag, wanted=10, after=size + footer)
        return b""


class FlacGate(HeadGate):
    """Passes STREAMINFO on as the only metadata block, and everything after the last one."""

    def __init__(self, max_tag_bytes: int) -> None:
        super().__init__(max_tag_bytes)
        self._then(self._on_beginning, wanted=8 + _STREAMINFO_BYTES)

    def _on_beginning(self) -> bytes:
        magic, block, info = self._take(4), self._take(4), self._take(_STREAMINFO_BYTES)
        if magic != b"fLaC" or block[0] & 0x7F != _STREAMINFO or int.from_bytes(block[1:]) != len(info):
            self.close(FindingCode.unreadable, "The header is malformed.")
            return b""
        # Sample rate 20 bits, channels 3, bits per sample 5, samples 36.
        (packed,) = struct.unpack_from(">Q", info, 10)
        self.declared_frames = packed & ((1 << 36) - 1) or None
        if self.declared_frames is None:
            self.find(FindingCode.length_undeclared, "The header does not state how long the content is.")
        self._after_block(last=bool(block[0] & 0x80), size=0)
        return magic + bytes((0x80,)) + block[1:] + info

    def _on_block(self) -> bytes:
        head = self._take(4)
        if head[0] & 0x7F in (_STREAMINFO, _INVALID):
            self.close(FindingCode.unreadable, "The header is malformed.")
        else:
            self._after_block(last=bool(head[0] & 0x80), size=int.from_bytes(head[1:]))
        return b""

    def _after_block(self, *, last: bool, size: int) -> None:
        if last:
            self._then(self._begin_audio, wanted=0, after=size)
        else:
            self._then(self._on_block, wanted=4, after=size)
