"""Objects as files: whole or not at all, versions, ranges, and locks that deletion obeys."""

import asyncio
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from callward_common.objects.store import LockState, ObjectLocked, ObjectMissing, StoreUnavailable
from callward_embedded.file_keys import InvalidKey, folder_of
from callward_embedded.file_objects import READ_BYTES, FileObjectStore
from tests.support.clock import ManualClock

KEY = "3f/9a/recording"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[FileObjectStore]:
    opened = FileObjectStore(tmp_path / "objects", clock)
    await opened.start()
    yield opened
    await opened.close()


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def content(
    store: FileObjectStore, key: str, version: str, start: int = 0, stop: int | None = None
) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, version, start=start, stop=stop)])


def files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_what_is_put_is_read_back(store: FileObjectStore, tmp_path: Path) -> None:
    stored = await store.put(KEY, body(b"one", b"", b"two"))

    assert (stored.key, stored.size) == (KEY, 6)
    assert await content(store, KEY, stored.version_id) == b"onetwo"
    assert await store.stat(KEY, stored.version_id) == stored
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)] == [0o600]
    assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700


async def test_a_second_put_is_a_second_version_and_changes_nothing_of_the_first(
    store: FileObjectStore,
) -> None:
    first, second = await store.put(KEY, body(b"first")), await store.put(KEY, body(b"second"))

    assert first.version_id != second.version_id
    assert await content(store, KEY, first.version_id) == b"first"
    assert [each async for each in store.versions("3f/")] == [first, second]


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, 0),
        (0, 1),
        (1, 3),
        (5, None),
        (0, READ_BYTES + 1),
        (READ_BYTES - 1, READ_BYTES + 1),
        (10**7, None),
        (3, 10**7),
    ],
)
async def test_a_range_is_what_a_slice_is(store: FileObjectStore, start: int, stop: int | None) -> None:
    data = bytes(range(256)) * 2048
    stored = await store.put(KEY, body(data))

    assert await content(store, KEY, stored.version_id, start, stop) == data[start:stop]
    assert all([len(chunk) <= READ_BYTES async for chunk in store.read(KEY, stored.version_id)])


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (3, 2)])
async def test_what_is_no_range_is_refused(store: FileObjectStore, start: int, stop: int | None) -> None:
    stored = await store.put(KEY, body(b"data"))
    with pytest.raises(ValueError, match="range"):
        await content(store, KEY, stored.version_id, start, stop)


async def test_a_body_that_fails_leaves_nothing(store: FileObjectStore, tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ConnectionError("the caller is gone")

    with pytest.raises(ConnectionError):
        await store.put(KEY, failing())
    assert files(tmp_path) == []


async def test_a_put_cancelled_at_any_moment_leaves_all_or_nothing(
    store: FileObjectStore, tmp_path: Path
) -> None:
    for moment in range(40):
        putting = asyncio.create_task(store.put(KEY, body(*[b"x" * 65536] * 8)))
        await asyncio.sleep(moment / 4000)
        putting.cancel()
        (outcome,) = await asyncio.gather(putting, return_exceptions=True)
        kept = [each async for each in store.versions("")]
        assert kept == ([] if isinstance(outcome, asyncio.CancelledError) else [outcome])
        for each in kept:
            await store.delete(each.key, each.version_id)
        assert files(tmp_path) == []


async def test_what_a_crash_left_unfinished_is_removed_and_counted(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    left = tmp_path / "objects" / "unfinished" / "left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    store = FileObjectStore(tmp_path / "objects", clock)
    await store.start()

    assert not left.exists()
    assert [
        record.__dict__["count"] for record in caplog.records if record.msg == "unfinished objects removed"
    ] == [1]
    await store.close()


async def test_what_is_not_there_is_missing(store: FileObjectStore) -> None:
    stored = await store.put(KEY, body(b"data"))
    await store.delete(KEY, stored.version_id)
    await store.delete(KEY, stored.version_id)

    for act in (
        content(store, KEY, stored.version_id),
        store.stat(KEY, stored.version_id),
        store.hold(KEY, stored.version_id, True),
        store.state(KEY, stored.version_id),
        store.retain(KEY, stored.version_id, until=ManualClock().now() + timedelta(days=1)),
    ):
        with pytest.raises(ObjectMissing):
            await act
    assert [each async for each in store.versions("")] == []


async def test_a_deleted_object_leaves_no_trace_of_its_key(store: FileObjectStore, tmp_path: Path) -> None:
    stored = await store.put(KEY, body(b"data"))
    await store.hold(KEY, stored.version_id, True)
    await store.hold(KEY, stored.version_id, False)
    await store.delete(KEY, stored.version_id)

    assert list((tmp_path / "objects" / "objects").iterdir()) == []


async def test_retention_forbids_deletion_until_it_is_over(
    store: FileObjectStore, clock: ManualClock
) -> None:
    stored = await store.put(KEY, body(b"data"))
    until = clock.now() + timedelta(days=365)
    await store.retain(KEY, stored.version_id, until=until)

    assert await store.state(KEY, stored.version_id) == LockState(until=until, compliance=False, held=False)
    with pytest.raises(ObjectLocked):
        await store.delete(KEY, stored.version_id)
    assert await content(store, KEY, stored.version_id) == b"data"
    with pytest.raises(ObjectLocked):
        await store.retain(KEY, stored.version_id, until=until - timedelta(days=1))
    clock.advance(timedelta(days=366))
    await store.delete(KEY, stored.version_id)


async def test_a_hold_forbids_deletion_after_retention_too(
    store: FileObjectStore, clock: ManualClock
) -> None:
    stored = await store.put(KEY, body(b"data"))
    await store.hold(KEY, stored.version_id, True)
    await store.retain(KEY, stored.version_id, until=clock.now() + timedelta(days=1), compliance=True)
    clock.advance(timedelta(days=2))

    with pytest.raises(ObjectLocked):
        await store.delete(KEY, stored.version_id)
    await store.hold(KEY, stored.version_id, False)
    await store.delete(KEY, stored.version_id)


async def test_locks_survive_a_restart(store: FileObjectStore, tmp_path: Path, clock: ManualClock) -> None:
    stored = await store.put(KEY, body(b"data"))
    await store.retain(KEY, stored.version_id, until=clock.now() + timedelta(days=1), compliance=True)

    again = FileObjectStore(tmp_path / "objects", clock)
    await again.start()
    with pytest.raises(ObjectLocked):
        await again.delete(KEY, stored.version_id)
    with pytest.raises(ObjectLocked, match="weakened"):
        await again.retain(KEY, stored.version_id, until=clock.now() + timedelta(days=2))
    await again.close()


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"until": "soon", "compliance": false, "held": false}'])
async def test_locks_that_cannot_be_read_are_not_lifted(
    store: FileObjectStore, tmp_path: Path, damage: bytes
) -> None:
    stored = await store.put(KEY, body(b"data"))
    await store.hold(KEY, stored.version_id, True)
    (locks,) = (path for path in files(tmp_path) if path.suffix == ".locks")
    locks.write_bytes(damage)

    with pytest.raises(StoreUnavailable):
        await store.delete(KEY, stored.version_id)
    assert await content(store, KEY, stored.version_id) == b"data"


async def test_an_object_may_be_named_as_a_folder_of_others(store: FileObjectStore) -> None:
    one, other = await store.put("a", body(b"1")), await store.put("a/b", body(b"2"))

    assert {each.key async for each in store.versions("a")} == {"a", "a/b"}
    await store.delete("a", one.version_id)
    assert await content(store, "a/b", other.version_id) == b"2"
    assert [each.key async for each in store.versions("a/")] == ["a/b"]


async def test_a_list_holds_while_its_neighbours_come_and_go(store: FileObjectStore) -> None:
    kept, done = await store.put("ab/abc", body(b"kept")), asyncio.Event()

    async def come_and_go(name: str) -> None:
        while not done.is_set():
            stored = await store.put(name, body(b"x"))
            await store.delete(name, stored.version_id)

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(come_and_go(f"ab/abc{number}"))
        try:
            for _ in range(300):
                found = [stored async for stored in store.versions("ab/abc")]
                assert [stored for stored in found if stored.key == kept.key] == [kept]
        finally:
            done.set()


async def test_a_key_that_leads_elsewhere_is_refused(store: FileObjectStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidKey):
        await store.put("../../elsewhere", body(b"data"))
    with pytest.raises(InvalidKey):
        await content(store, KEY, "../../../../../etc/passwd")
    assert files(tmp_path) == []


async def test_a_full_or_closed_disk_is_unavailable_and_leaves_nothing(
    store: FileObjectStore, tmp_path: Path
) -> None:
    blocked = folder_of(tmp_path / "objects" / "objects", KEY)
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"a file where a folder should be")

    with pytest.raises(StoreUnavailable):
        await store.put(KEY, body(b"data"))
    assert files(tmp_path) == [blocked]
