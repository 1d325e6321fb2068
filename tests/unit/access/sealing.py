"""A sealed recording in memory: real encryption, objects that tests may change behind the manifest's back."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from callward.ingest.v1 import manifest_pb2
from callward_access.domain.model import Manifest, Media, Recording, Summary
from callward_common.ids import new_id
from callward_common.objects.store import ObjectMissing, StoredObject
from callward_crypto.keys import associated_data, derive_subkey, rendition_label, seal_small
from callward_crypto.streaming import StreamEncryptor

TENANT = "mercy-general"
RENDITION = "original"
PEAKS = "peaks"
KEY = bytes(range(32))
STARTED = datetime(2026, 11, 24, 8, 50, tzinfo=UTC)


class MemoryObjects:
    """An ObjectStore of bytes. `content` may be changed; `read_ranges` has what was asked for."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.read_ranges: list[tuple[str, int, int | None]] = []

    async def put(self, key: str, body: AsyncIterable[bytes]) -> StoredObject:
        self.content[key] = b"".join([chunk async for chunk in body])
        return StoredObject(key, "1", len(self.content[key]))

    async def read(
        self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        self.read_ranges.append((key, start, stop))
        if key not in self.content:
            raise ObjectMissing("There is no such object.")
        wanted = self.content[key][start:stop]
        for place in range(0, len(wanted), 10_000):
            yield wanted[place : place + 10_000]

    async def stat(self, key: str, version_id: str) -> StoredObject:
        return StoredObject(key, version_id, len(self.content[key]))

    async def delete(self, key: str, version_id: str) -> None:
        self.content.pop(key, None)

    async def versions(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key, content in self.content.items():
            if key.startswith(prefix):
                yield StoredObject(key, "1", len(content))


@dataclass
class Sealed:
    """A recording, its plaintext and its manifest as a message."""

    recording: Recording
    plaintext: bytes
    manifest: manifest_pb2.Manifest

    @property
    def registered(self) -> bytes:
        """The manifest's hash as key-management has it from the sealing."""
        return self.recording.manifest.sha256


def key_of(rendition: str) -> bytes:
    """The key of a rendition: each has its own."""
    return KEY if rendition == RENDITION else derive_subkey(KEY, rendition_label(rendition))


def stream(
    plaintext: bytes, recording_id: str, part: int, *, tenant: str = TENANT, rendition: str = RENDITION
) -> tuple[bytes, bytes]:
    """Header and ciphertext of one part, as one attempt to upload it made them."""
    encryptor = StreamEncryptor(key_of(rendition), associated_data(tenant, recording_id, rendition, part))
    return encryptor.header, encryptor.update(plaintext) + encryptor.finish()


def seal(
    objects: MemoryObjects,
    *parts: bytes,
    state: str = "sealed",
    pace: int = 16_000,
    metadata: bytes = b"{}",
    tenant: str = TENANT,
    peaks: bytes | None = None,
    peaks_type: str = "application/octet-stream",
) -> Sealed:
    """Seal parts into the store, with peaks where there are some, and return the recording as ingest tells of it."""
    recording_id, call_id = new_id(), new_id()
    manifest = manifest_pb2.Manifest(
        format="callward/1", tenant_id=tenant, recording_id=recording_id, key_id=new_id(), version=1
    )
    _add(objects, manifest, RENDITION, "audio/wav", parts)
    if peaks is not None:
        _add(objects, manifest, PEAKS, peaks_type, [peaks])
    size = sum(map(len, parts))
    summary = summary_of(recording_id, call_id, state, size, pace)
    sealed_metadata = seal_small(KEY, associated_data(tenant, call_id, "metadata", 0), metadata)
    recording = Recording(summary, manifest.key_id, Manifest(manifest.SerializeToString()), sealed_metadata)
    return Sealed(recording, b"".join(parts), manifest)


def _add(
    objects: MemoryObjects,
    manifest: manifest_pb2.Manifest,
    name: str,
    media_type: str,
    parts: Sequence[bytes],
) -> None:
    rendition = manifest.renditions.add(name=name, media_type=media_type)
    for number, plaintext in enumerate(parts):
        header, ciphertext = stream(
            plaintext, manifest.recording_id, number, tenant=manifest.tenant_id, rendition=name
        )
        # "first": of which attempt to upload the part it is.
        key = f"{manifest.recording_id}{'' if name == RENDITION else f'-{name}'}/{number}/first"
        objects.content[key] = ciphertext
        rendition.parts.add(
            object_key=key,
            version_id="1",
            plaintext_size=len(plaintext),
            ciphertext_size=len(ciphertext),
            header=header,
            ciphertext_sha256=hashlib.sha256(ciphertext).digest(),
        )


def summary_of(recording_id: str, call_id: str, state: str, size: int, pace: int) -> Summary:
    """What lists show of it."""
    media = Media("audio/wav", "pcm_mulaw", 2, 8000, timedelta(seconds=size / 16_000), pace, size)
    return Summary(
        recording_id=recording_id,
        call_id=call_id,
        state=state,
        reasons=(),
        queue="cardiology",
        call_started_at=STARTED,
        sealed_at=STARTED + timedelta(minutes=5),
        media=media,
        retain_until=STARTED + timedelta(days=3650),
        retention_class="medical-record",
        retention_citation="22 CCR § 70751(c)",
    )


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that look random and are the same every time."""
    return hashlib.shake_256(seed.to_bytes(4, "big")).digest(size)
