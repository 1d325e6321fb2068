"""Decrypts ranges of sealed media: the manifest is believed, the store is not."""

import hashlib

from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Lease, Recording, Rendition
from callward_access.manifests import Manifests, Track
from callward_access.read_ahead import ReadAhead, Run, runs
from callward_common.objects.store import ObjectStore
from callward_crypto.keys import associated_data, open_small
from callward_crypto.streaming import HEADER_SIZE, SEGMENT_SIZE, StreamDecryptor, StreamError

#: The place of a call's metadata in associated data, where media has the rendition's name.
METADATA = "metadata"


class SealedMedia:
    """Reads parts from the store and decrypts only the segments that a range needs."""

    def __init__(self, objects: ObjectStore, *, known_parts: int, read_ahead: int) -> None:
        """`known_parts`: parts of manifests that are remembered; `read_ahead`: bytes a reading has in advance."""
        self._objects = objects
        self._manifests = Manifests(known_parts)
        self._read_ahead = read_ahead

    def rendition(self, tenant_id: str, recording: Recording, name: str) -> Rendition | None:
        """Return what the manifest says of a rendition; None where there is none. Raises IntegrityFailure."""
        track = self._manifests.track(tenant_id, recording, name)
        return None if track is None else track.rendition

    def open(self, tenant_id: str, recording: Recording, name: str, start: int, stop: int) -> "SealedReading":
        """Begin to read the plaintext of a rendition from `start` to before `stop`. Raises IntegrityFailure.

        The range lies inside the rendition: ValueError otherwise. Nothing is read before the first piece is asked for.
        """
        track = self._manifests.track(tenant_id, recording, name)
        if track is None:
            raise IntegrityFailure("the manifest has no such rendition")
        size = track.rendition.size
        if not (0 <= start < stop <= size or start == stop == size == 0):
            raise ValueError("the range lies outside the rendition")
        ahead = ReadAhead(self._objects, runs(track, start, stop), self._read_ahead)
        return SealedReading(tenant_id, recording, track, ahead)

    def open_document(self, tenant_id: str, subject_id: str, ciphertext: bytes, lease: Lease) -> bytes:
        """Decrypt the sealed metadata of a call, or of a revision of it. Raises IntegrityFailure."""
        if hashlib.sha256(ciphertext).digest() != lease.manifest_sha256:
            raise IntegrityFailure("the sealed metadata is not the one registered at sealing")
        try:
            return open_small(lease.key, associated_data(tenant_id, subject_id, METADATA, 0), ciphertext)
        except StreamError as error:
            raise IntegrityFailure("the sealed metadata is not what was sealed") from error


class SealedReading:
    """One range of one rendition, piece by piece, each under the lease that holds at its time."""

    def __init__(self, tenant_id: str, recording: Recording, track: Track, ahead: ReadAhead) -> None:
        self._tenant_id = tenant_id
        self._recording = recording
        self._track = track
        self._ahead = ahead
        self._run: _OpenedRun | None = None

    async def next(self, lease: Lease) -> bytes:
        """Return the next piece, at most a segment; empty at the end. Raises IntegrityFailure before any wrong byte."""
        if self._recording.manifest.sha256 != lease.manifest_sha256:
            raise IntegrityFailure("the manifest is not the one registered at sealing")
        if self._run is None or self._run.done:
            found = await self._ahead.next()
            if found is None:
                return b""
            self._run = _OpenedRun(*found)
        try:
            return self._run.piece(lease, self._place(self._run.number))
        except StreamError as error:
            raise IntegrityFailure("a part of the media is not what was sealed") from error

    async def close(self) -> None:
        """Stop reading, and drop what was read. Closing twice is fine."""
        self._run = None
        await self._ahead.close()

    def _place(self, number: int) -> bytes:
        recording_id, name = self._recording.summary.recording_id, self._track.rendition.name
        return associated_data(self._tenant_id, recording_id, name, number)


class _OpenedRun:
    """A run's ciphertext, decrypted a segment at a time."""

    def __init__(self, run: Run, body: bytearray) -> None:
        self.number = run.number
        self._run = run
        self._body = memoryview(body)
        self._segment = run.plan.first_segment
        self._skip, self._left = run.plan.skip, run.plan.take
        self._opened: tuple[Lease, StreamDecryptor] | None = None

    @property
    def done(self) -> bool:
        """Whether every segment was given."""
        return self._segment > self._run.plan.last_segment

    def piece(self, lease: Lease, place: bytes) -> bytes:
        """Return what is wanted of the next segment's plaintext. Raises StreamError."""
        start = (self._segment - self._run.plan.first_segment) * SEGMENT_SIZE
        sealed = self._body[start : start + SEGMENT_SIZE]
        decryptor = self._decryptor(lease, place)
        if self._segment == 0:
            decryptor.check_header(sealed[:HEADER_SIZE])
            sealed = sealed[HEADER_SIZE:]
        plaintext = decryptor.decrypt_segment(self._segment, sealed)
        piece = plaintext[self._skip : self._skip + self._left]
        self._segment, self._skip, self._left = self._segment + 1, 0, self._left - len(piece)
        return piece

    def _decryptor(self, lease: Lease, place: bytes) -> StreamDecryptor:
        # Made anew with each lease: no key is used past the one that it came with.
        if self._opened is None or self._opened[0] is not lease:
            part = self._run.part
            made = StreamDecryptor(lease.key, place, part.header, part.ciphertext_size)
            self._opened = (lease, made)
        return self._opened[1]
