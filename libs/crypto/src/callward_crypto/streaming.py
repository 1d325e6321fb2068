"""Google Tink's AES256-GCM-HKDF-SHA256 streaming format with 64 KiB ciphertext segments, with random access.

Specification: developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming. A stream is

    header    0x28 ‖ salt (32 bytes) ‖ nonce prefix (7 bytes)
    key       HKDF-SHA256(key, salt, info = associated data, 32 bytes)
    segment i AES-256-GCM(key, nonce = prefix ‖ BE32(i) ‖ (1 if last else 0), no AAD): ciphertext ‖ tag

and the header counts as the first 40 bytes of segment 0.
"""

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE = 32
HEADER_SIZE = 40
TAG_SIZE = 16
#: Bytes of a whole segment in the object; segment 0 includes the header.
SEGMENT_SIZE = 65536
#: Plaintext bytes of a whole segment; segment 0 holds HEADER_SIZE fewer.
PLAINTEXT_SEGMENT_SIZE = SEGMENT_SIZE - TAG_SIZE
#: The segment number is a BE32 in the nonce: at most 256 TiB a stream.
MAX_SEGMENTS = 2**32

_SALT_SIZE = 32
#: Segments that are sealed before they are copied out: the scratch memory of a thread is a mebibyte at most.
_SCRATCH_SEGMENTS = 16

BytesLike = bytes | bytearray | memoryview


class StreamError(Exception):
    """A wrong key or header length, an impossible size or range, or use after the end. Never holds content."""


class DecryptionError(StreamError):
    """The bytes are not those that were sealed: altered, moved, missing, in excess, or another key or context."""


def ciphertext_size(plaintext_size: int) -> int:
    """Returns the size in bytes of the object that holds `plaintext_size` bytes; StreamError if there is none."""
    segments = max(1, -(-(plaintext_size + HEADER_SIZE) // PLAINTEXT_SEGMENT_SIZE))
    if plaintext_size < 0 or segments > MAX_SEGMENTS:
        raise StreamError("No stream has this plaintext size.")
    return plaintext_size + HEADER_SIZE + TAG_SIZE * segments


def plaintext_size(ciphertext_size: int) -> int:
    """Returns the plaintext size in bytes of an object of `ciphertext_size` bytes.

    Raises StreamError when no stream has that size (too short, or a last segment that would be empty).
    """
    segments = max(1, _segments(ciphertext_size))
    last = ciphertext_size - (segments - 1) * SEGMENT_SIZE
    if last < (HEADER_SIZE + TAG_SIZE if segments == 1 else TAG_SIZE + 1) or segments > MAX_SEGMENTS:
        raise StreamError("No stream has this ciphertext size.")
    return ciphertext_size - HEADER_SIZE - TAG_SIZE * segments


def locate(offset: int) -> tuple[int, int]:
    """Returns the segment that holds plaintext byte `offset`, and that byte's position in the decrypted segment."""
    if offset < 0:
        raise StreamError("A plaintext offset is negative.")
    segment, position = divmod(offset + HEADER_SIZE, PLAINTEXT_SEGMENT_SIZE)
    return segment, position if segment else position - HEADER_SIZE


def segment_range(first: int, last: int, ciphertext_size: int) -> tuple[int, int]:
    """Returns the half-open byte range of the object that holds segments `first` to `last` (both included).

    Segment 0 starts at byte 0: its range includes the header, so that a reader can compare it.
    Raises StreamError when the object has no such segments.
    """
    if not 0 <= first <= last < _segments(ciphertext_size):
        raise StreamError("The object has no such segments.")
    return first * SEGMENT_SIZE, min((last + 1) * SEGMENT_SIZE, ciphertext_size)


def _segments(ciphertext_size: int) -> int:
    return -(-ciphertext_size // SEGMENT_SIZE)


class _SegmentCipher:
    """The derived key of one stream and its nonces."""

    def __init__(self, key: bytes, associated_data: bytes, header: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise StreamError("A stream key is not 32 bytes.")
        if len(header) != HEADER_SIZE or header[0] != HEADER_SIZE:
            raise StreamError("A stream header is not 40 bytes that begin with 0x28.")
        salt, self._prefix = header[1 : 1 + _SALT_SIZE], header[1 + _SALT_SIZE :]
        derived = HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=associated_data).derive(key)
        self.aead = AESGCM(derived)

    def nonce(self, index: int, last: bool) -> bytes:
        if index >= MAX_SEGMENTS:
            raise StreamError("A stream is longer than 2**32 segments.")
        return self._prefix + index.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


class _Scratch(threading.local):
    """Memory of a thread that ciphertext is written into and copied from; plaintext is never in it.

    Large fresh memory for every call would cost as much as the encryption itself.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def view(self, segments: int) -> memoryview:
        size = segments * SEGMENT_SIZE
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        return memoryview(self._buffer)[:size]


_scratch = _Scratch()


class StreamEncryptor:
    """Encrypts one stream under a fresh random header; holds back at most one segment of plaintext.

    A resumed or appended upload needs a new StreamEncryptor: continuing an old one with bytes sent anew would use
    a nonce twice. `key` is 32 bytes (Tink's ikm). Sizes in bytes: `plaintext_size`, `ciphertext_size` (given out).
    """

    def __init__(self, key: bytes, associated_data: bytes) -> None:
        self._begin(key, associated_data, bytes([HEADER_SIZE]) + os.urandom(HEADER_SIZE - 1))

    @classmethod
    def _with_header(cls, key: bytes, associated_data: bytes, header: bytes) -> Self:
        # For deterministic tests only: one header twice under one key gives away both plaintexts.
        self = cls.__new__(cls)
        self._begin(key, associated_data, header)
        return self

    def _begin(self, key: bytes, associated_data: bytes, header: bytes) -> None:
        self._cipher: _SegmentCipher | None = _SegmentCipher(key, associated_data, header)
        self._held = bytearray(PLAINTEXT_SEGMENT_SIZE)
        self._held_size = 0
        self._index = 0
        self.header = header
        self.plaintext_size = 0
        self.ciphertext_size = 0

    def update(self, data: BytesLike) -> bytes:
        """Takes plaintext; returns the object's next bytes: whole segments (the header first), often none.

        A full segment is held back until more plaintext or `finish` says whether it is the last.
        """
        cipher = self._require()
        source = memoryview(data).cast("B")
        self.plaintext_size += len(source)
        # Exactly those segments after which at least one byte is left.
        count = max(0, _segments(ciphertext_size(self.plaintext_size)) - 1 - self._index)
        ready: list[bytes] = []
        while count:
            run = min(count, _SCRATCH_SEGMENTS)
            target = _scratch.view(run)
            for start in range(0, len(target), SEGMENT_SIZE):
                room = self._capacity - self._held_size
                plaintext = source[:room] if room == self._capacity else self._hold(source[:room])
                self._seal(cipher, plaintext, target[start : start + SEGMENT_SIZE], last=False)
                source = source[room:]
            ready.append(bytes(target))
            count -= run
        self._hold(source)
        return ready[0] if len(ready) == 1 else b"".join(ready)

    def finish(self) -> bytes:
        """Returns the last segment (with the header when it is the only one); the stream takes no more after it."""
        cipher = self._require()
        final = memoryview(bytearray(ciphertext_size(self.plaintext_size) - self._index * SEGMENT_SIZE))
        self._seal(cipher, memoryview(self._held)[: self._held_size], final, last=True)
        self._cipher, self._held = None, bytearray()
        return bytes(final)

    @property
    def _capacity(self) -> int:
        return PLAINTEXT_SEGMENT_SIZE if self._index else PLAINTEXT_SEGMENT_SIZE - HEADER_SIZE

    def _require(self) -> _SegmentCipher:
        if self._cipher is None:
            raise StreamError("The stream is finished.")
        return self._cipher

    def _hold(self, data: memoryview) -> memoryview:
        self._held[self._held_size : self._held_size + len(data)] = data
        self._held_size += len(data)
        return memoryview(self._held)[: self._held_size]

    def _seal(self, cipher: _SegmentCipher, plaintext: memoryview, target: memoryview, last: bool) -> None:
        start = 0
        if self._index == 0:
            start = HEADER_SIZE
            target[:start] = self.header
        cipher.aead.encrypt_into(cipher.nonce(self._index, last), plaintext, None, target[start:])
        self._index += 1
        self._held_size = 0
        self.ciphertext_size += len(target)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read for one plaintext range: object bytes [object_start, object_stop) hold its segments whole.

    Of the segments' plaintext the first `skip` bytes are left out and the next `take` bytes are the range.
    """

    first_segment: int
    last_segment: int
    object_start: int
    object_stop: int
    skip: int
    take: int


class StreamDecryptor:
    """Decrypts any segment of one stream.

    `header` and `ciphertext_size` come from a trusted record of the sealing, never from where the object is kept:
    they decide which segment is the last, so a truncated or extended object fails.
    Raises StreamError for a wrong key or header length or an impossible size.
    """

    def __init__(self, key: bytes, associated_data: bytes, header: bytes, ciphertext_size: int) -> None:
        self.header = header
        self.ciphertext_size = ciphertext_size
        self.plaintext_size = plaintext_size(ciphertext_size)
        self.segment_count = _segments(ciphertext_size)
        self._cipher = _SegmentCipher(key, associated_data, header)

    def plan(self, start: int, stop: int) -> Plan:
        """Plans plaintext bytes [start, stop): not empty, save [0, 0) of an empty stream. StreamError otherwise."""
        empty_stream = start == stop == self.plaintext_size == 0
        if not (0 <= start < stop <= self.plaintext_size or empty_stream):
            raise StreamError("The range is empty or outside the plaintext.")
        first, skip = locate(start)
        last = 0 if empty_stream else locate(stop - 1)[0]
        return Plan(first, last, *segment_range(first, last, self.ciphertext_size), skip, stop - start)

    def check_header(self, header: BytesLike) -> None:
        """Raises DecryptionError unless `header` (the object's first 40 bytes) is the recorded header."""
        if header != self.header:
            raise DecryptionError("The object's header is not the recorded one.")

    def decrypt_segment(self, index: int, ciphertext: BytesLike) -> bytes:
        """Returns the plaintext of segment `index`.

        `ciphertext` is the segment with its tag: object bytes [index·65536, (index+1)·65536) cut at the end of the
        object, and for segment 0 without the 40 header bytes, which `check_header` is for.
        Raises DecryptionError for anything but the sealed segment, StreamError if there is no such segment.
        """
        start, stop = segment_range(index, index, self.ciphertext_size)
        if len(ciphertext) != stop - (start or HEADER_SIZE):
            raise DecryptionError("A segment has not its recorded length.")
        try:
            nonce = self._cipher.nonce(index, last=index == self.segment_count - 1)
            return self._cipher.aead.decrypt(nonce, ciphertext, None)
        except InvalidTag:
            # The cause is cut off: it says nothing more, and its frames refer to buffers.
            raise DecryptionError("A segment is not authentic.") from None


async def decrypt_range(
    decryptor: StreamDecryptor, chunks: AsyncIterable[BytesLike], plan: Plan
) -> AsyncGenerator[bytes, None]:
    """Turns object bytes [plan.object_start, plan.object_stop), in chunks of any size, into the plan's plaintext.

    Yields authenticated, non-empty pieces, one a segment. Raises DecryptionError as `check_header` and
    `decrypt_segment` do, and when the chunks hold fewer or more bytes than planned; pieces yielded before an error
    were authentic, but the range is then incomplete.
    """
    pending = bytearray()
    index, position = plan.first_segment, plan.object_start
    skip, left = plan.skip, plan.take
    async for chunk in chunks:
        pending += chunk
        if position + len(pending) > plan.object_stop:
            raise DecryptionError("The object gave more bytes than planned.")
        while position < plan.object_stop and len(pending) >= (
            length := min(SEGMENT_SIZE, plan.object_stop - position)
        ):
            plaintext = _open_wire_segment(decryptor, index, pending, length)
            del pending[:length]
            index, position = index + 1, position + length
            if piece := plaintext[skip : skip + left]:
                yield piece
            skip, left = 0, left - len(piece)
    if position != plan.object_stop:
        raise DecryptionError("The object gave fewer bytes than planned.")


def _open_wire_segment(decryptor: StreamDecryptor, index: int, pending: bytearray, length: int) -> bytes:
    with memoryview(pending) as whole, whole[:length] as segment:
        if index:
            return decryptor.decrypt_segment(index, segment)
        with segment[:HEADER_SIZE] as header, segment[HEADER_SIZE:] as body:
            decryptor.check_header(header)
            return decryptor.decrypt_segment(index, body)
