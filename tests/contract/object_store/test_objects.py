"""What every object store does: versions that never change, whole or not at all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from callward_common.errors import CallwardError
from callward_common.ids import new_id
from callward_common.objects.store import ObjectMissing, ObjectStore, StoredObject
from tests.contract.object_store.conftest import LockingStore

MIB = 1024 * 1024


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def content(
    store: ObjectStore, stored: StoredObject, *, start: int = 0, stop: int | None = None
) -> bytes:
    chunks = store.read(stored.key, stored.version_id, start=start, stop=stop)
    return b"".join([chunk async for chunk in chunks])


async def listed(store: ObjectStore, prefix: str) -> set[StoredObject]:
    return {stored async for stored in store.versions(prefix)}


@pytest.mark.parametrize("chunks", [[], [b""], [b"a"], [b"ab", b"", b"c"], [b"x" * MIB] * 3], ids=len)
async def test_what_was_put_is_read(adapter: LockingStore, key: str, chunks: list[bytes]) -> None:
    stored = await adapter.put(key, body(*chunks))
    whole = b"".join(chunks)
    assert (stored.key, stored.size) == (key, len(whole))
    assert await content(adapter, stored) == whole
    assert await adapter.stat(key, stored.version_id) == stored


async def test_a_body_larger_than_a_multipart_part_is_whole(adapter: LockingStore, key: str) -> None:
    chunks = [bytes([number]) * 700_000 for number in range(40)]
    stored = await adapter.put(key, body(*chunks))
    assert stored.size == 28_000_000
    assert (
        hashlib.sha256(await content(adapter, stored)).digest() == hashlib.sha256(b"".join(chunks)).digest()
    )


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 10, b"0123456789"),
        (3, 6, b"345"),
        (9, None, b"9"),
        (0, 1, b"0"),
        (4, 4, b""),
        (10, None, b""),
        (7, 99, b"789"),
    ],
)
async def test_a_range_is_exactly_what_was_asked_for(
    adapter: LockingStore, key: str, start: int, stop: int | None, expected: bytes
) -> None:
    stored = await adapter.put(key, body(b"01234", b"56789"))
    assert await content(adapter, stored, start=start, stop=stop) == expected


async def test_ranges_across_chunks_of_a_large_object(adapter: LockingStore, key: str) -> None:
    whole = b"".join(number.to_bytes(4, "big") for number in range(MIB))
    stored = await adapter.put(key, body(whole))
    for start, stop in ((MIB - 1, MIB + 1), (262_143, 262_145), (1, 4 * MIB - 1), (4 * MIB - 1, 4 * MIB)):
        assert await content(adapter, stored, start=start, stop=stop) == whole[start:stop]


async def test_a_reader_may_leave_early(adapter: LockingStore, key: str) -> None:
    stored = await adapter.put(key, body(b"x" * 4 * MIB))
    chunks = adapter.read(key, stored.version_id)
    assert (await anext(chunks))[:1] == b"x"
    await chunks.aclose()  # type: ignore[attr-defined]
    assert await content(adapter, stored, start=4 * MIB - 1) == b"x"


async def test_a_key_has_versions_and_none_replaces_another(adapter: LockingStore, key: str) -> None:
    first = await adapter.put(key, body(b"first"))
    second = await adapter.put(key, body(b"second"))
    assert first.version_id != second.version_id
    assert await content(adapter, first) == b"first"
    assert await content(adapter, second) == b"second"
    assert await listed(adapter, key) == {first, second}


async def test_a_deleted_version_is_gone_and_the_others_stay(adapter: LockingStore, key: str) -> None:
    first = await adapter.put(key, body(b"first"))
    second = await adapter.put(key, body(b"second"))
    await adapter.delete(key, second.version_id)
    with pytest.raises(ObjectMissing):
        await content(adapter, second)
    with pytest.raises(ObjectMissing):
        await adapter.stat(key, second.version_id)
    assert await content(adapter, first) == b"first"
    # Nothing stands in for the version: no marker, and not the older one.
    assert await listed(adapter, key) == {first}


async def test_deleting_what_is_missing_is_fine(adapter: LockingStore, key: str) -> None:
    stored = await adapter.put(key, body(b"x"))
    await adapter.delete(key, stored.version_id)
    await adapter.delete(key, stored.version_id)
    await adapter.delete(f"{key}/never", stored.version_id)


async def test_what_is_missing_is_said_to_be(adapter: LockingStore, key: str) -> None:
    stored = await adapter.put(key, body(b"x"))
    for missing in ((f"{key}-2", stored.version_id), (key, new_id())):
        with pytest.raises(ObjectMissing):
            await adapter.stat(*missing)
        with pytest.raises(ObjectMissing):
            await anext(adapter.read(*missing))


async def test_versions_are_listed_by_prefix(adapter: LockingStore, folder: str) -> None:
    names = ("a", "a/b", "ab/c", "b", "A")
    stored = {name: await adapter.put(f"{folder}/{name}", body(name.encode())) for name in names}
    assert await listed(adapter, f"{folder}/") == set(stored.values())
    assert await listed(adapter, f"{folder}/a") == {stored["a"], stored["a/b"], stored["ab/c"]}
    assert await listed(adapter, f"{folder}/a/") == {stored["a/b"]}
    assert await listed(adapter, f"{folder}/none") == set()


async def test_a_body_that_fails_leaves_nothing(adapter: LockingStore, key: str) -> None:
    async def fails() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await adapter.put(key, fails())
    assert await listed(adapter, key) == set()


async def test_a_cancelled_body_leaves_nothing(adapter: LockingStore, key: str) -> None:
    halfway = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        halfway.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(adapter.put(key, stalls()))
    await halfway.wait()
    assert await listed(adapter, key) == set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await listed(adapter, key) == set()


async def test_puts_of_one_key_at_once_are_versions_of_their_own(adapter: LockingStore, key: str) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    stored = await asyncio.gather(*(adapter.put(key, body(each)) for each in contents))
    assert [await content(adapter, each) for each in stored] == contents
    assert await listed(adapter, key) == set(stored)


@pytest.mark.parametrize(
    "bad", ["", "/absolute", "../up", "a/../b", "a//b", "a/", "nul\0", "sp ace", "x" * 513]
)
async def test_a_key_out_of_form_is_refused(adapter: LockingStore, folder: str, bad: str) -> None:
    with pytest.raises(CallwardError) as caught:
        await adapter.put(bad, body(b"x"))
    assert caught.value.category == "invalid"
