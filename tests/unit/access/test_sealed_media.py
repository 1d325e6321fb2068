"""The manifest is believed, the store is not: whatever was changed, no wrong byte is ever yielded."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Lease, Manifest, Recording, Rendition
from callward_access.sealed_media import SealedMedia
from callward_common.ids import new_id
from callward_crypto.keys import associated_data, seal_small
from tests.unit.access.sealing import KEY, RENDITION, TENANT, MemoryObjects, Sealed, noise, seal, stream

UNTIL = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
PARTS = (noise(150_000, 1), noise(65_480, 2), noise(1, 3), noise(200_000, 4))
WHOLE = b"".join(PARTS)


def lease(sealed: Sealed, key: bytes = KEY) -> Lease:
    return Lease(key, sealed.registered, UNTIL)


async def read(
    media: SealedMedia,
    recording: Recording,
    held: Lease,
    start: int,
    stop: int,
    into: bytearray | None = None,
) -> bytes:
    found = bytearray() if into is None else into
    reading = media.open(TENANT, recording, RENDITION, start, stop)
    try:
        while piece := await reading.next(held):
            found += piece
    finally:
        await reading.close()
    return bytes(found)


def reader(objects: MemoryObjects) -> SealedMedia:
    return SealedMedia(objects, known_parts=1000, read_ahead=262_144)


@settings(max_examples=60)
@given(st.data())
async def test_any_range_over_any_parts_is_that_of_the_plaintext(data: st.DataObject) -> None:
    objects = MemoryObjects()
    edge = st.sampled_from([1, 65_479, 65_480, 65_481, 65_519, 65_520, 65_521, 131_000])
    sizes = data.draw(st.lists(st.one_of(edge, st.integers(1, 3000)), min_size=1, max_size=4))
    sealed = seal(objects, *(noise(size, number) for number, size in enumerate(sizes)))
    size = len(sealed.plaintext)
    start = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(start + 1, size))
    media = reader(objects)
    stated = media.rendition(TENANT, sealed.recording, RENDITION)
    assert stated == Rendition(RENDITION, "audio/wav", size)
    assert await read(media, sealed.recording, lease(sealed), start, stop) == sealed.plaintext[start:stop]


async def test_only_the_segments_of_the_range_are_read() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    start = len(PARTS[0]) + len(PARTS[1]) + 1 + 100_000
    await read(reader(objects), sealed.recording, lease(sealed), start, start + 10)
    ((key, first, last),) = objects.read_ranges
    assert key.endswith("/3/first")
    assert (first, last) == (65_536, 131_072)


Change = Callable[[MemoryObjects, Sealed], None]


def keys_of(sealed: Sealed) -> list[str]:
    return [part.object_key for part in sealed.manifest.renditions[0].parts]


def swap_parts(objects: MemoryObjects, sealed: Sealed) -> None:
    first, *_, last = keys_of(sealed)
    objects.content[first], objects.content[last] = objects.content[last], objects.content[first]


def drop_last_segment(objects: MemoryObjects, sealed: Sealed) -> None:
    key = keys_of(sealed)[-1]
    objects.content[key] = objects.content[key][: 3 * 65_536]


def drop_tail_byte(objects: MemoryObjects, sealed: Sealed) -> None:
    key = keys_of(sealed)[-1]
    objects.content[key] = objects.content[key][:-1]


def drop_tail_part(objects: MemoryObjects, sealed: Sealed) -> None:
    del objects.content[keys_of(sealed)[-1]]


def empty_tail_part(objects: MemoryObjects, sealed: Sealed) -> None:
    objects.content[keys_of(sealed)[-1]] = b""


def abandoned_attempt(objects: MemoryObjects, sealed: Sealed) -> None:
    """Another attempt at the same part: same key, same place, same length, other bytes by the same caller."""
    recording_id = sealed.recording.summary.recording_id
    objects.content[keys_of(sealed)[-1]] = stream(noise(200_000, 99), recording_id, 3)[1]


def abandoned_attempt_under_the_real_header(objects: MemoryObjects, sealed: Sealed) -> None:
    key = keys_of(sealed)[-1]
    abandoned = stream(noise(200_000, 99), sealed.recording.summary.recording_id, 3)[1]
    objects.content[key] = objects.content[key][:40] + abandoned[40:]


def another_recordings_part(objects: MemoryObjects, sealed: Sealed) -> None:
    objects.content[keys_of(sealed)[-1]] = stream(PARTS[3], new_id(), 3)[1]


def flipped_bit(objects: MemoryObjects, sealed: Sealed) -> None:
    changed = bytearray(objects.content[keys_of(sealed)[-1]])
    changed[150_000] ^= 1
    objects.content[keys_of(sealed)[-1]] = bytes(changed)


def swapped_segments(objects: MemoryObjects, sealed: Sealed) -> None:
    content = objects.content[keys_of(sealed)[-1]]
    segments = [content[place : place + 65_536] for place in range(0, len(content), 65_536)]
    segments[1], segments[2] = segments[2], segments[1]
    objects.content[keys_of(sealed)[-1]] = b"".join(segments)


CHANGES = [
    swap_parts,
    drop_last_segment,
    drop_tail_byte,
    drop_tail_part,
    empty_tail_part,
    abandoned_attempt,
    abandoned_attempt_under_the_real_header,
    another_recordings_part,
    flipped_bit,
    swapped_segments,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("start", [0, len(WHOLE) - 60_000, len(WHOLE) - 1])
async def test_a_changed_store_is_an_integrity_failure(change: Change, start: int) -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    change(objects, sealed)
    found = bytearray()
    unharmed = change in (flipped_bit, swapped_segments) and start == len(WHOLE) - 1
    if unharmed:  # the range lies beside what was changed, and is read without it
        await read(reader(objects), sealed.recording, lease(sealed), start, len(WHOLE), found)
        assert bytes(found) == WHOLE[start:]
        return
    with pytest.raises(IntegrityFailure):
        await read(reader(objects), sealed.recording, lease(sealed), start, len(WHOLE), found)
    assert WHOLE[start:].startswith(bytes(found))


async def test_bytes_behind_the_recorded_end_are_never_read() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    objects.content[keys_of(sealed)[-1]] += b"more"
    assert await read(reader(objects), sealed.recording, lease(sealed), 0, len(WHOLE)) == WHOLE


def without_last_part(sealed: Sealed) -> None:
    del sealed.manifest.renditions[0].parts[-1]


def parts_reordered(sealed: Sealed) -> None:
    parts = sealed.manifest.renditions[0].parts
    swapped = [parts[3], *parts[1:3], parts[0]]
    del sealed.manifest.renditions[0].parts[:]
    parts.extend(swapped)


def of_another_recording(sealed: Sealed) -> None:
    sealed.manifest.recording_id = new_id()


def of_another_tenant(sealed: Sealed) -> None:
    sealed.manifest.tenant_id = "other-clinic"


def of_another_format(sealed: Sealed) -> None:
    sealed.manifest.format = "callward/2"


def without_the_rendition(sealed: Sealed) -> None:
    sealed.manifest.renditions[0].name = "redacted"


def lying_plaintext_size(sealed: Sealed) -> None:
    sealed.manifest.renditions[0].parts[3].plaintext_size += 5


def impossible_ciphertext_size(sealed: Sealed) -> None:
    sealed.manifest.renditions[0].parts[3].ciphertext_size = 10


def short_header(sealed: Sealed) -> None:
    sealed.manifest.renditions[0].parts[3].header = b"\x28short"


MANIFESTS = [
    without_last_part,
    parts_reordered,
    of_another_recording,
    of_another_tenant,
    of_another_format,
    without_the_rendition,
    lying_plaintext_size,
    impossible_ciphertext_size,
    short_header,
]


@pytest.mark.parametrize("change", MANIFESTS, ids=lambda change: change.__name__)
async def test_a_changed_manifest_is_refused_before_any_byte(change: Callable[[Sealed], None]) -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    held = lease(sealed)
    change(sealed)
    changed = replace(sealed.recording, manifest=Manifest(sealed.manifest.SerializeToString()))
    found = bytearray()
    with pytest.raises(IntegrityFailure):
        await read(reader(objects), changed, held, 0, 10, found)
    assert not found
    assert objects.read_ranges == []


# Those that the hash would not show, were a wrong manifest registered: what can be checked is checked all the same.
@pytest.mark.parametrize("change", MANIFESTS[1:], ids=lambda change: change.__name__)
async def test_a_wrong_manifest_that_was_registered_yields_no_wrong_byte(
    change: Callable[[Sealed], None],
) -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    change(sealed)
    changed = replace(sealed.recording, manifest=Manifest(sealed.manifest.SerializeToString()))
    held = Lease(KEY, changed.manifest.sha256, UNTIL)
    found = bytearray()
    with pytest.raises(IntegrityFailure):
        await read(reader(objects), changed, held, 0, len(WHOLE), found)
    assert WHOLE.startswith(bytes(found))


async def test_a_manifest_that_cannot_be_read_is_an_integrity_failure() -> None:
    objects = MemoryObjects()
    broken = replace(seal(objects, *PARTS).recording, manifest=Manifest(b"\xff\xff\xff"))
    with pytest.raises(IntegrityFailure):
        reader(objects).rendition(TENANT, broken, RENDITION)


async def test_another_key_opens_nothing() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, *PARTS)
    with pytest.raises(IntegrityFailure):
        await read(reader(objects), sealed.recording, lease(sealed, bytes(32)), 0, 10)


def test_the_etag_is_strong_and_that_of_the_manifest() -> None:
    objects = MemoryObjects()
    one, other = seal(objects, b"one").recording, seal(objects, b"two").recording
    assert one.etag(RENDITION) == replace(one).etag(RENDITION)
    assert len({one.etag(RENDITION), one.etag("peaks"), other.etag(RENDITION)}) == 3
    assert one.etag(RENDITION).startswith('"')


def test_sealed_metadata_is_opened_only_as_it_was_registered() -> None:
    media = reader(MemoryObjects())
    call_id = new_id()
    ciphertext = seal_small(KEY, associated_data(TENANT, call_id, "metadata", 0), b'{"a": 1}')
    registered = Lease(KEY, hashlib.sha256(ciphertext).digest(), UNTIL)
    assert media.open_document(TENANT, call_id, ciphertext, registered) == b'{"a": 1}'
    swapped = seal_small(KEY, associated_data(TENANT, call_id, "metadata", 0), b'{"a": 2}')
    with pytest.raises(IntegrityFailure):
        media.open_document(TENANT, call_id, swapped, registered)
    for tenant, call in (("other-clinic", call_id), (TENANT, new_id())):
        with pytest.raises(IntegrityFailure):
            media.open_document(tenant, call, ciphertext, registered)
    with pytest.raises(IntegrityFailure):
        media.open_document(TENANT, call_id, b"", Lease(KEY, hashlib.sha256(b"").digest(), UNTIL))
