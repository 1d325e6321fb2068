"""Reading sealed parts in tests: by the reader as it is wired, under a lease for the manifest as it is."""

from dataclasses import replace
from datetime import UTC, datetime

from callward_access.domain.model import Lease, Manifest, Recording
from callward_access.sealed_media import SealedMedia
from tests.unit.access.sealing import RENDITION, TENANT, MemoryObjects, Sealed, key_of

UNTIL = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def resealed(sealed: Sealed) -> Sealed:
    """The same recording under its manifest as it is now, registered with key-management."""
    raw = sealed.manifest.SerializeToString()
    return Sealed(replace(sealed.recording, manifest=Manifest(raw)), sealed.plaintext, sealed.manifest)


def reader(objects: MemoryObjects, *, known_parts: int = 1000, read_ahead: int = 262_144) -> SealedMedia:
    return SealedMedia(objects, known_parts=known_parts, read_ahead=read_ahead)


def lease_of(recording: Recording, rendition: str = RENDITION) -> Lease:
    return Lease(key_of(rendition), recording.manifest.sha256, UNTIL)


async def read(
    media: SealedMedia,
    recording: Recording,
    start: int,
    stop: int,
    into: bytearray | None = None,
    rendition: str = RENDITION,
) -> bytes:
    found = bytearray() if into is None else into
    reading = media.open(TENANT, recording, rendition, start, stop)
    try:
        while piece := await reading.next(lease_of(recording, rendition)):
            assert len(piece) <= 65_520
            found += piece
    finally:
        await reading.close()
    return bytes(found)
