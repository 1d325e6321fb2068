"""What contradicts the sealing: a manifest in itself, or a part that is not in its place. Never a wrong byte."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from callward.ingest.v1 import manifest_pb2
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Rendition
from callward_common.ids import new_id
from tests.unit.access.reading import UNTIL, lease_of, read, reader, resealed
from tests.unit.access.sealing import (
    PEAKS,
    RENDITION,
    TENANT,
    MemoryObjects,
    Sealed,
    noise,
    seal,
    stream,
)

PARTS = tuple(noise(70_000, number) for number in range(5))
WHOLE = b"".join(PARTS)


def a_part_twice(manifest: manifest_pb2.Manifest) -> None:
    parts = manifest.renditions[0].parts
    parts[3].CopyFrom(parts[1])


def another_objects_key(manifest: manifest_pb2.Manifest) -> None:
    parts = manifest.renditions[0].parts
    parts[3].object_key = parts[1].object_key


def the_peaks_object(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[1].parts[0].object_key = manifest.renditions[0].parts[4].object_key


def two_of_one_name(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[1].name = RENDITION


def a_name_that_is_none(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[1].name = "Peaks/.."


def no_object_key(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].object_key = ""


def no_part(manifest: manifest_pb2.Manifest) -> None:
    del manifest.renditions[1].parts[:]


def an_empty_part(manifest: manifest_pb2.Manifest) -> None:
    header, content = stream(b"", manifest.recording_id, 5)
    manifest.renditions[0].parts.add(
        object_key="empty",
        plaintext_size=0,
        ciphertext_size=len(content),
        header=header,
        ciphertext_sha256=hashlib.sha256(content).digest(),
    )


def a_negative_size(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].plaintext_size = -1


def a_negative_ciphertext_size(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].ciphertext_size = -70_072


def negative_by_overflow(manifest: manifest_pb2.Manifest) -> None:
    for part in manifest.renditions[0].parts:
        part.plaintext_size = part.ciphertext_size = 2**63 - 1


def sizes_that_no_sum_holds(manifest: manifest_pb2.Manifest) -> None:
    """Each could be a stream; all together are more than 64 bits hold."""
    segments = 2**32
    part = manifest.renditions[0].parts[0]
    part.ciphertext_size = segments * 65_536
    part.plaintext_size = part.ciphertext_size - 40 - 16 * segments
    parts = [part] * (2**63 // part.plaintext_size + 1)
    del manifest.renditions[0].parts[:]
    for number, each in enumerate(parts):
        manifest.renditions[0].parts.add().CopyFrom(each)
        manifest.renditions[0].parts[number].object_key = f"object-{number}"


def one_byte_less(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].plaintext_size -= 1


def one_byte_more(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].ciphertext_size += 1


def a_short_header(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].header = bytes([40]) * 39


def a_foreign_header(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].header = bytes(40)


def no_digest(manifest: manifest_pb2.Manifest) -> None:
    manifest.renditions[0].parts[2].ciphertext_sha256 = b""


CONTRADICTIONS: list[Callable[[manifest_pb2.Manifest], None]] = [
    a_part_twice,
    another_objects_key,
    the_peaks_object,
    two_of_one_name,
    a_name_that_is_none,
    no_object_key,
    no_part,
    an_empty_part,
    a_negative_size,
    a_negative_ciphertext_size,
    negative_by_overflow,
    one_byte_less,
    one_byte_more,
    a_short_header,
    a_foreign_header,
    no_digest,
]


@pytest.mark.parametrize("change", CONTRADICTIONS, ids=lambda change: change.__name__)
async def test_a_manifest_that_contradicts_itself_opens_nothing(
    change: Callable[[manifest_pb2.Manifest], None],
) -> None:
    """Also where it is the very one that was registered."""
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS, peaks=noise(100))
    media = reader(objects)
    assert await read(media, sealed.recording, 0, 10) == WHOLE[:10]
    objects.read_ranges.clear()
    change(sealed.manifest)
    changed = resealed(sealed).recording
    for _ in range(2):
        for name in (RENDITION, PEAKS, "redacted"):
            with pytest.raises(IntegrityFailure):
                media.rendition(TENANT, changed, name)
            with pytest.raises(IntegrityFailure):
                media.open(TENANT, changed, name, 0, 10)
    assert objects.read_ranges == []


async def test_sizes_whose_sum_overflows_are_refused() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, b"a")
    # As many parts as this are no manifest that a test can hold: 2**48 bytes each, 2**15 of them.
    sizes_that_no_sum_holds(sealed.manifest)
    with pytest.raises(IntegrityFailure, match="larger together"):
        reader(objects).rendition(TENANT, resealed(sealed).recording, RENDITION)


Swap = Callable[[MemoryObjects, Sealed], None]


def objects_of(sealed: Sealed, rendition: int = 0) -> list[str]:
    return [part.object_key for part in sealed.manifest.renditions[rendition].parts]


def swapped_objects(objects: MemoryObjects, sealed: Sealed) -> None:
    keys = objects_of(sealed)
    content = objects.content
    content[keys[2]], content[keys[3]] = content[keys[3]], content[keys[2]]


def swapped_in_the_manifest(objects: MemoryObjects, sealed: Sealed) -> None:
    parts = sealed.manifest.renditions[0].parts
    held = manifest_pb2.Part.FromString(parts[2].SerializeToString())
    parts[2].CopyFrom(parts[3])
    parts[3].CopyFrom(held)


def of_another_recording(objects: MemoryObjects, sealed: Sealed) -> None:
    _stand_in(objects, sealed, *stream(PARTS[2], new_id(), 2))


def of_another_tenant(objects: MemoryObjects, sealed: Sealed) -> None:
    _stand_in(objects, sealed, *stream(PARTS[2], sealed.manifest.recording_id, 2, tenant="other-clinic"))


def of_another_rendition(objects: MemoryObjects, sealed: Sealed) -> None:
    _stand_in(objects, sealed, *stream(PARTS[2], sealed.manifest.recording_id, 2, rendition=PEAKS))


def of_another_place(objects: MemoryObjects, sealed: Sealed) -> None:
    _stand_in(objects, sealed, *stream(PARTS[2], sealed.manifest.recording_id, 3))


def _stand_in(objects: MemoryObjects, sealed: Sealed, header: bytes, content: bytes) -> None:
    """Put a stream in the place of part 2, and its facts into the manifest."""
    part = sealed.manifest.renditions[0].parts[2]
    objects.content[part.object_key] = content
    part.header, part.ciphertext_sha256 = header, hashlib.sha256(content).digest()


def lost(objects: MemoryObjects, sealed: Sealed) -> None:
    del objects.content[objects_of(sealed)[2]]


SWAPS: list[Swap] = [
    swapped_objects,
    swapped_in_the_manifest,
    of_another_recording,
    of_another_tenant,
    of_another_rendition,
    of_another_place,
    lost,
]


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: swap.__name__)
@pytest.mark.parametrize("ahead", [0, 262_144])
async def test_what_stands_in_for_a_part_never_gives_a_byte(swap: Swap, ahead: int) -> None:
    """Not even where the manifest that names it was registered: a part opens in its own place only."""
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS, peaks=noise(100))
    swap(objects, sealed)
    recording = resealed(sealed).recording
    whole = bytearray()
    with pytest.raises(IntegrityFailure):
        await read(reader(objects, read_ahead=ahead), recording, 0, len(WHOLE), whole)
    # What came before is given whole: a part that was read ahead fails when its turn comes.
    assert bytes(whole) == WHOLE[:140_000]
    for start in (140_000, 209_999):
        found = bytearray()
        with pytest.raises(IntegrityFailure):
            await read(reader(objects), recording, start, start + 1, found)
        assert not found
    assert await read(reader(objects), recording, 0, 140_000) == WHOLE[:140_000]


async def test_a_part_left_out_at_the_end_is_not_the_manifest_that_was_registered() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    held = lease_of(sealed.recording)
    del sealed.manifest.renditions[0].parts[-1]
    shorter = resealed(sealed).recording
    media = reader(objects)
    size = len(WHOLE) - 70_000
    assert media.rendition(TENANT, shorter, RENDITION) == Rendition(RENDITION, "audio/wav", size)
    reading = media.open(TENANT, shorter, RENDITION, 0, size)
    with pytest.raises(IntegrityFailure):
        await reading.next(held)
    assert objects.read_ranges == []


async def test_renditions_open_with_their_own_key_only() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS, peaks=noise(500, 9))
    media = reader(objects)
    assert await read(media, sealed.recording, 0, 500, rendition=PEAKS) == noise(500, 9)
    reading = media.open(TENANT, sealed.recording, PEAKS, 0, 500)
    with pytest.raises(IntegrityFailure):
        await reading.next(lease_of(sealed.recording, RENDITION))
    assert media.rendition(TENANT, sealed.recording, "redacted") is None
    with pytest.raises(IntegrityFailure):
        media.open(TENANT, sealed.recording, "redacted", 0, 1)


async def test_each_piece_is_opened_under_the_lease_of_its_time() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    media, good = reader(objects), lease_of(sealed.recording)
    reading = media.open(TENANT, sealed.recording, RENDITION, 0, len(WHOLE))
    assert await reading.next(good) == WHOLE[:65_480]
    renewed = replace(good, expires_at=UNTIL.replace(hour=11))
    assert await reading.next(renewed) == WHOLE[65_480:70_000]
    for wrong in (replace(good, key=bytes(32)), replace(good, manifest_sha256=bytes(32))):
        with pytest.raises(IntegrityFailure):
            await reading.next(wrong)
    await reading.close()
    await reading.close()
