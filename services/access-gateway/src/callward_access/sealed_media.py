"""Decrypts ranges of sealed media: the manifest is believed, the store is not."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import accumulate

from google.protobuf.message import DecodeError

from callward.ingest.v1 import manifest_pb2
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Lease, Recording
from callward_common.objects.store import ObjectMissing, ObjectStore
from callward_crypto.keys import associated_data, open_small
from callward_crypto.streaming import StreamDecryptor, StreamError, decrypt_range

FORMAT = "callward/1"
#: The place of a call's metadata in associated data, where media has the rendition's name.
METADATA = "metadata"


class SealedMedia:
    """Reads parts from the store and decrypts only the segments that a range needs."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def size(self, recording: Recording, rendition: str) -> int:
        """Return the rendition's plaintext size from the manifest."""
        return sum(part.plaintext_size for part in _rendition(_parse(recording), rendition).parts)

    def etag(self, recording: Recording, rendition: str) -> str:
        """Return the rendition's strong entity tag, quotes included."""
        digest = hashlib.sha256(recording.manifest).hexdigest()[:32]
        return f'"{digest}-{rendition}"'

    async def read(
        self, tenant_id: str, recording: Recording, rendition: str, lease: Lease, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield the plaintext from `start` to before `stop`. Raises IntegrityFailure before any wrong byte."""
        manifest = _verified(tenant_id, recording, lease)
        parts = _rendition(manifest, rendition).parts
        begins = accumulate((part.plaintext_size for part in parts), initial=0)
        for number, (part, begin) in enumerate(zip(parts, begins, strict=False)):
            first, last = max(start, begin), min(stop, begin + part.plaintext_size)
            if first < last:
                aad = associated_data(tenant_id, recording.summary.recording_id, rendition, number)
                opened = self._part(part, lease.key, aad, first - begin, last - begin)
                async with aclosing(opened) as pieces:
                    async for piece in pieces:
                        yield piece

    async def _part(
        self, part: manifest_pb2.Part, key: bytes, aad: bytes, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        try:
            decryptor = StreamDecryptor(key, aad, part.header, part.ciphertext_size)
            plan = decryptor.plan(start, stop)
            chunks = self._objects.read(
                part.object_key, part.version_id, start=plan.object_start, stop=plan.object_stop
            )
            async with aclosing(decrypt_range(decryptor, chunks, plan)) as pieces:
                async for piece in pieces:
                    yield piece
        except StreamError as error:
            raise IntegrityFailure("a part of the media is not what was sealed") from error
        except ObjectMissing as error:
            raise IntegrityFailure("a part of the media is missing from the store") from error

    def open_document(self, tenant_id: str, call_id: str, ciphertext: bytes, lease: Lease) -> bytes:
        """Decrypt a call's sealed metadata. Raises IntegrityFailure."""
        if hashlib.sha256(ciphertext).digest() != lease.manifest_sha256:
            raise IntegrityFailure("the sealed metadata is not the one registered at sealing")
        try:
            return open_small(lease.key, associated_data(tenant_id, call_id, METADATA, 0), ciphertext)
        except StreamError as error:
            raise IntegrityFailure("the sealed metadata is not what was sealed") from error


def _parse(recording: Recording) -> manifest_pb2.Manifest:
    try:
        return manifest_pb2.Manifest.FromString(recording.manifest)
    except DecodeError as error:
        raise IntegrityFailure("the manifest cannot be read") from error


def _verified(tenant_id: str, recording: Recording, lease: Lease) -> manifest_pb2.Manifest:
    """Return the manifest, if it is the one that was registered with the key at sealing and names this recording."""
    if hashlib.sha256(recording.manifest).digest() != lease.manifest_sha256:
        raise IntegrityFailure("the manifest is not the one registered at sealing")
    manifest = _parse(recording)
    named = (manifest.format, manifest.tenant_id, manifest.recording_id)
    if named != (FORMAT, tenant_id, recording.summary.recording_id):
        raise IntegrityFailure("the manifest belongs to something else")
    return manifest


def _rendition(manifest: manifest_pb2.Manifest, name: str) -> manifest_pb2.Rendition:
    for rendition in manifest.renditions:
        if rendition.name == name:
            return rendition
    raise IntegrityFailure("the manifest has no such rendition")
