"""WAV files, recognised and measured while they stream by: RIFF, RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088).

The reader keeps a few dozen bytes whatever it is fed, and no content makes it raise: what is wrong becomes a finding.
"""

import struct
from collections.abc import Callable
from fractions import Fraction

from callward_ingest.domain.media import Finding, FindingCode, MediaFacts
from callward_ingest.domain.wave_format import FULL_SIZE, MIN_SIZE, WaveFormat, parse_format

__all__ = ["MAX_CHUNKS", "MAX_HEADER_BYTES", "Finding", "FindingCode", "MediaFacts", "WavReader"]

MAX_HEADER_BYTES = 1 << 20
"""The furthest into a file that its audio may begin."""
MAX_CHUNKS = 1024
"""The most chunks that are walked: a body of empty chunks must not keep the processor busy."""

_CONTAINERS = {b"RIFF": "wav", b"RF64": "rf64", b"BW64": "bw64"}
_UNKNOWN_32 = 0xFFFF_FFFF
_UNKNOWN_64 = 0xFFFF_FFFF_FFFF_FFFF


class WavReader:
    """Measures one body: feed it the bytes in order, in pieces of any size, then ask for the facts."""

    def __init__(self, *, max_header_bytes: int = MAX_HEADER_BYTES, max_chunks: int = MAX_CHUNKS) -> None:
        """Limits: where the audio must have begun (bytes), and how many chunks are walked."""
        self._max_header_bytes = max_header_bytes
        self._max_chunks = max_chunks
        self._total = 0
        self._position = 0  # of the next byte to be looked at
        self._passing = 0  # bytes that are passed over before the next are held
        self._held = bytearray()
        self._wanted = 12
        self._step: Callable[[bytes], None] = self._on_riff
        self._done = False  # nothing that follows is looked at, only counted
        self._chunks = 0
        self._last_size = 0
        self._container = ""
        self._riff_size: int | None = None
        self._ds64: tuple[int, int] | None = None
        self._format: WaveFormat | None = None
        self._data_offset: int | None = None
        self._data_size: int | None = None
        self._findings: dict[FindingCode, Finding] = {}
        self._tail_findings: dict[FindingCode, Finding] = {}
        self._facts: MediaFacts | None = None

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes. Raises ValueError after `finish` only."""
        if self._facts is not None:
            raise ValueError("this reader has finished")
        view = memoryview(chunk).cast("B")
        self._total += len(view)
        while len(view) and not self._done:
            room = self._passing or self._wanted - len(self._held)
            taken = min(room, len(view))
            self._position += taken
            if self._passing:
                self._passing -= taken
            else:
                self._held += view[:taken]
                if taken == room:
                    body = bytes(self._held)
                    self._held.clear()
                    self._step(body)
            view = view[taken:]

    def finish(self) -> MediaFacts:
        """Gives the facts about all that was fed. Asked again, it gives the same facts."""
        if self._facts is None:
            self._facts = self._conclude()
        return self._facts

    # The walk: each step takes exactly the bytes that it wanted.

    def _want(self, count: int, step: Callable[[bytes], None]) -> None:
        self._wanted, self._step = count, step

    def _on_riff(self, body: bytes) -> None:
        container = _CONTAINERS.get(body[:4], "")
        if not container or body[8:] != b"WAVE":
            self._give_up(FindingCode.not_audio, "The content is not a WAV file.")
            return
        self._container = container
        (self._riff_size,) = struct.unpack_from("<I", body, 4)
        self._want(8, self._on_chunk)
        self._want(8, self._on_chunk)

    def _on_chunk(self, header: bytes) -> None:
        name, (size,) = header[:4], struct.unpack_from("<I", header, 4)
        self._chunks += 1
        if self._chunks > self._max_chunks:
            self._give_up(FindingCode.unreadable, f"There are more than {self._max_chunks} chunks.")
        elif not all(0x20 <= byte < 0x7F for byte in name):
            self._on_foreign_bytes()
        elif self._data_offset is not None:
            if name in (b"data", b"fmt "):
                self._find(
                    FindingCode.inconsistent_header, "The audio or its format is there more than once."
                )
            self._pass_over(size)
        elif name == b"data":
            self._on_data(size)
        elif self._position + size > self._max_header_bytes:
            text = f"The audio does not begin within the first {self._max_header_bytes} bytes."
            self._give_up(FindingCode.unreadable, text)
        else:
            self._on_header_chunk(name, size)

    def _on_foreign_bytes(self) -> None:
        if self._data_offset is None:
            self._give_up(FindingCode.unreadable, "The header is malformed.")
        else:
            self._give_up(FindingCode.length_mismatch, "Bytes follow that belong to no chunk.")

    def _on_header_chunk(self, name: bytes, size: int) -> None:
        if name == b"fmt ":
            if self._format is not None:
                self._find(
                    FindingCode.inconsistent_header, "The audio or its format is there more than once."
                )
                self._pass_over(size)
            elif size < MIN_SIZE:
                self._give_up(FindingCode.unreadable, f"The format takes {MIN_SIZE} bytes; {size} are there.")
            else:
                self._want(min(size, FULL_SIZE), lambda body: self._on_format(body, size))
        elif name == b"ds64" and self._container != "wav" and self._ds64 is None and size >= 16:
            self._want(16, lambda body: self._on_sizes(body, size))
        else:
            self._pass_over(size)

    def _on_format(self, body: bytes, size: int) -> None:
        self._format = parse_format(body)
        for finding in self._format.findings:
            self._find(finding.code, finding.text)
        self._pass_over(size, read=len(body))

    def _on_sizes(self, body: bytes, size: int) -> None:
        riff_size, data_size = struct.unpack("<QQ", body)
        self._ds64 = (riff_size, data_size)
        self._pass_over(size, read=len(body))

    def _on_data(self, size: int) -> None:
        self._data_offset = self._position
        self._data_size = self._declared(size, 1)
        if self._format is None:
            self._give_up(FindingCode.unreadable, "The audio begins before its format is stated.")
        elif self._data_size is None:
            self._last_size = 0
            self._done = True
        else:
            self._pass_over(self._data_size)

    def _pass_over(self, size: int, *, read: int = 0) -> None:
        self._last_size = size
        self._passing = size - read
        if size % 2:
            self._want(1, self._on_padding)
        else:
            self._want(8, self._on_chunk)

    def _on_padding(self, body: bytes) -> None:
        # Some writers leave the padding out; then this is the first byte of the next chunk's name.
        self._want(8, self._on_chunk)
        if body != b"\0":
            self._held += body

    def _declared(self, size: int, index: int) -> int | None:
        """Gives a 32-bit size of the header, or its 64-bit counterpart; None when it says that it is not known."""
        if size != _UNKNOWN_32:
            return size
        if self._ds64 is None or self._ds64[index] == _UNKNOWN_64:
            return None
        return self._ds64[index]

    def _find(self, code: FindingCode, text: str) -> None:
        kept = self._findings if self._data_offset is None else self._tail_findings
        kept.setdefault(code, Finding(code, text))

    def _give_up(self, code: FindingCode, text: str) -> None:
        self._find(code, text)
        self._done = True

    # The conclusion, from positions and counts alone, so that it does not depend on how the bytes were cut.

    def _conclude(self) -> MediaFacts:
        audio_bytes = 0
        if self._total == 0:
            self._find(FindingCode.empty, "There are no bytes at all.")
        elif self._data_offset is None:
            self._conclude_header()
        elif self._format is None:
            self._findings |= self._tail_findings
        else:
            audio_bytes = self._conclude_lengths(self._data_offset)
        return self._facts_about(self._format, audio_bytes)

    def _conclude_header(self) -> None:
        if self._done:
            return
        if self._container or self._begins_like_wav():
            self._find(FindingCode.unreadable, "The content ends before its audio begins.")
        else:
            self._find(FindingCode.not_audio, "The content is not a WAV file.")

    def _begins_like_wav(self) -> bool:
        held = bytes(self._held)
        return any(name.startswith(held[:4]) for name in _CONTAINERS) and b"WAVE".startswith(held[8:])

    def _conclude_lengths(self, data_offset: int) -> int:
        """Compares what the header promises with what came; returns how many bytes of audio there are."""
        came = self._total - data_offset
        riff = self._declared(self._riff_size or 0, 0) or None
        # A writer that cannot go back leaves the sizes of a file without audio, or none.
        placeholder = riff is None or riff + 8 == data_offset
        if self._data_size == 0 and came and placeholder:
            self._data_size = None
        audio_bytes = came if self._data_size is None else min(came, self._data_size)
        if self._container != "wav" and self._ds64 is None:
            text = "The 64-bit sizes that the container demands are missing."
            self._state(FindingCode.inconsistent_header, text)
        if self._data_size is not None:
            self._findings = self._tail_findings | self._findings
            self._compare_chunks(came, self._data_size)
        if riff is not None and not (self._data_size is None and placeholder):
            self._compare_whole(riff + 8)
        if riff is None or self._data_size is None:
            self._state(FindingCode.length_undeclared, "The header does not state how long the content is.")
        return audio_bytes

    def _compare_chunks(self, came: int, declared: int) -> None:
        if came < declared:
            self._state(
                FindingCode.length_mismatch, f"The header states {declared} bytes of audio; {came} came."
            )
        elif not self._done and (self._passing or self._held):
            self._state(FindingCode.length_mismatch, "The content ends within a chunk.")

    def _compare_whole(self, declared: int) -> None:
        # With an odd last chunk writers differ on whether the padding is there and whether it counts.
        slack = self._last_size % 2 if self._data_size is not None else 1
        if abs(declared - self._total) > slack:
            text = f"The header states {declared} bytes in all; {self._total} came."
            self._state(FindingCode.length_mismatch, text)

    def _state(self, code: FindingCode, text: str) -> None:
        self._findings.setdefault(code, Finding(code, text))

    def _facts_about(self, stated: WaveFormat | None, audio_bytes: int) -> MediaFacts:
        frame_size = stated.frame_size if stated else 0
        frames, partial = divmod(audio_bytes, frame_size) if frame_size else (0, 0)
        if stated and self._data_offset is not None and (audio_bytes == 0 or (frame_size and not frames)):
            self._state(FindingCode.silent_empty, "There is not one whole frame of audio.")
        if partial:
            text = f"The audio ends with {partial} bytes of a frame of {frame_size}."
            self._state(FindingCode.trailing_partial_frame, text)
        return MediaFacts(
            container=self._container,
            codec=stated.codec if stated else "",
            channels=stated.channels if stated else 0,
            sample_rate=stated.sample_rate if stated else 0,
            bits=stated.bits if stated else 0,
            declared_bytes=self._data_size,
            audio_bytes=audio_bytes,
            total_bytes=self._total,
            frames=frames,
            duration=Fraction(frames, stated.sample_rate) if stated and frames else Fraction(0),
            bytes_per_second=stated.sample_rate * frame_size if stated else 0,
            data_offset=self._data_offset,
            findings=tuple(self._findings.values()),
        )
