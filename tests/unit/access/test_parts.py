"""Recordings of many parts: any range is that of the parts put together, with Google Tink as the one who sealed them."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Rendition
from callward_common.ids import new_id
from callward_crypto.keys import associated_data
from tests.support import oracle_tink
from tests.unit.access.reading import read, reader, resealed
from tests.unit.access.sealing import (
    KEY,
    RENDITION,
    TENANT,
    MemoryObjects,
    Sealed,
    noise,
    seal,
    stream,
)

#: One byte below, at and above every size at which a stream gets another segment, and the smallest parts.
EDGES = (1, 2, 65_479, 65_480, 65_481, 130_999, 131_000, 131_001)


def sealed_by_tink(objects: MemoryObjects, parts: Sequence[bytes]) -> Sealed:
    """A recording whose every part was sealed by Tink; the manifest is what its sizes and headers say."""
    sealed = seal(objects, *parts)
    recording_id = sealed.manifest.recording_id
    for number, (part, plaintext) in enumerate(zip(sealed.manifest.renditions[0].parts, parts, strict=True)):
        content = oracle_tink.seal(KEY, associated_data(TENANT, recording_id, RENDITION, number), plaintext)
        objects.content[part.object_key] = content
        part.header, part.ciphertext_size = content[:40], len(content)
        part.ciphertext_sha256 = hashlib.sha256(content).digest()
    return resealed(sealed)


@settings(max_examples=40)
@given(st.data())
async def test_any_range_is_that_of_the_parts_put_together(data: st.DataObject) -> None:
    sizes = data.draw(
        st.one_of(
            st.just([0]),
            st.lists(st.sampled_from([*EDGES, 3, 1000]), min_size=1, max_size=6),
            st.lists(st.integers(1, 5), min_size=1, max_size=60),
        )
    )
    parts = [noise(size, number) for number, size in enumerate(sizes)]
    whole = b"".join(parts)
    objects = MemoryObjects()
    media = reader(objects, read_ahead=data.draw(st.sampled_from([0, 57, 70_000, 262_144, 10**7])))
    recording = sealed_by_tink(objects, parts).recording
    assert media.rendition(TENANT, recording, RENDITION) == Rendition(RENDITION, "audio/wav", len(whole))
    borders = {sum(sizes[:number]) + by for number in range(len(sizes) + 1) for by in (-1, 0, 1)}
    places = st.one_of(
        st.sampled_from(sorted(place for place in borders if 0 <= place <= len(whole))),
        st.integers(0, len(whole)),
    )
    for _ in range(8):
        start, stop = sorted((data.draw(places), data.draw(places)))
        if start == stop and whole:
            continue
        assert await read(media, recording, start, stop) == whole[start:stop]


async def test_what_is_sealed_here_tink_opens_part_by_part() -> None:
    objects = MemoryObjects()
    parts = [noise(size, number) for number, size in enumerate((*EDGES, 1))]
    sealed = seal(objects, *parts)
    for number, part in enumerate(sealed.manifest.renditions[0].parts):
        place = associated_data(TENANT, sealed.manifest.recording_id, RENDITION, number)
        assert oracle_tink.unseal(KEY, place, objects.content[part.object_key]) == parts[number]


async def test_an_empty_rendition_is_opened_all_the_same() -> None:
    objects = MemoryObjects()
    sealed = seal(objects, b"")
    assert await read(reader(objects), sealed.recording, 0, 0) == b""
    (key,) = objects.content
    objects.content[key] = stream(b"", new_id(), 0)[1]
    with pytest.raises(IntegrityFailure):
        await read(reader(objects), sealed.recording, 0, 0)


@pytest.mark.parametrize("wanted", [(-1, 5), (5, 5), (5, 4), (0, 11), (10, 11), (0, 0)])
async def test_a_range_outside_the_rendition_is_the_callers_mistake(wanted: tuple[int, int]) -> None:
    objects = MemoryObjects()
    sealed = seal(objects, noise(10))
    with pytest.raises(ValueError, match="outside"):
        reader(objects).open(TENANT, sealed.recording, RENDITION, *wanted)


async def test_a_seek_into_thousands_of_parts_reads_one_of_them() -> None:
    objects = MemoryObjects()
    parts = [noise(1 + number % 7, number) for number in range(2000)]
    sealed = seal(objects, *parts)
    place = sum(map(len, parts[:1500]))
    assert await read(reader(objects), sealed.recording, place, place + 1) == parts[1500][:1]
    assert [key.split("/")[1] for key, _, _ in objects.read_ranges] == ["1500"]


async def test_only_so_many_parts_of_manifests_are_remembered() -> None:
    objects = MemoryObjects()
    media = reader(objects, known_parts=5)
    recordings = [seal(objects, b"a", b"b").recording for _ in range(4)]
    for recording in recordings:
        assert await read(media, recording, 0, 2) == b"ab"
    assert list(media._manifests._known) == [each.manifest.sha256 for each in recordings[-2:]]
    assert media._manifests._held == 4
    large = seal(objects, *[b"x"] * 9).recording
    for _ in range(2):
        assert await read(media, large, 0, 9) == b"x" * 9
    assert list(media._manifests._known) == [large.manifest.sha256]
