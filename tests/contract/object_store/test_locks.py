"""What every object store with locks does: it lets nobody delete before the time."""

from datetime import timedelta

import pytest

from callward_common.clock import Clock
from callward_common.ids import new_id
from callward_common.objects.store import ObjectLocked, ObjectMissing, StoredObject
from tests.contract.object_store.conftest import LockingStore
from tests.contract.object_store.test_objects import body, content

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def stored(adapter: LockingStore, key: str) -> StoredObject:
    return await adapter.put(key, body(b"evidence"))


async def assert_kept(adapter: LockingStore, stored: StoredObject) -> None:
    with pytest.raises(ObjectLocked):
        await adapter.delete(stored.key, stored.version_id)
    assert await content(adapter, stored) == b"evidence"


async def test_nothing_is_locked_at_first(adapter: LockingStore, stored: StoredObject) -> None:
    state = await adapter.state(stored.key, stored.version_id)
    assert (state.until, state.compliance, state.held) == (None, False, False)


@pytest.mark.parametrize("compliance", [False, True], ids=["governance", "compliance"])
async def test_a_retained_version_cannot_be_deleted(
    adapter: LockingStore, stored: StoredObject, clock: Clock, compliance: bool
) -> None:
    until = (clock.now() + DAY).replace(microsecond=0)
    await adapter.retain(stored.key, stored.version_id, until=until, compliance=compliance)
    await assert_kept(adapter, stored)
    state = await adapter.state(stored.key, stored.version_id)
    assert (state.until, state.compliance, state.held) == (until, compliance, False)


async def test_a_retention_can_be_lengthened_and_not_shortened(
    adapter: LockingStore, stored: StoredObject, clock: Clock
) -> None:
    until = (clock.now() + DAY).replace(microsecond=0)
    await adapter.retain(stored.key, stored.version_id, until=until)
    await adapter.retain(stored.key, stored.version_id, until=until + HOUR)
    with pytest.raises(ObjectLocked):
        await adapter.retain(stored.key, stored.version_id, until=until)
    assert (await adapter.state(stored.key, stored.version_id)).until == until + HOUR


async def test_compliance_cannot_be_weakened(
    adapter: LockingStore, stored: StoredObject, clock: Clock
) -> None:
    until = (clock.now() + DAY).replace(microsecond=0)
    await adapter.retain(stored.key, stored.version_id, until=until, compliance=True)
    with pytest.raises(ObjectLocked):
        await adapter.retain(stored.key, stored.version_id, until=until + HOUR, compliance=False)
    assert (await adapter.state(stored.key, stored.version_id)).compliance


async def test_a_held_version_cannot_be_deleted_until_the_hold_is_lifted(
    adapter: LockingStore, stored: StoredObject
) -> None:
    for _ in range(2):
        await adapter.hold(stored.key, stored.version_id, True)
    await assert_kept(adapter, stored)
    await adapter.hold(stored.key, stored.version_id, False)
    await adapter.delete(stored.key, stored.version_id)
    with pytest.raises(ObjectMissing):
        await adapter.stat(stored.key, stored.version_id)


async def test_a_hold_and_a_retention_are_apart(
    adapter: LockingStore, stored: StoredObject, clock: Clock
) -> None:
    await adapter.hold(stored.key, stored.version_id, True)
    await adapter.retain(stored.key, stored.version_id, until=clock.now() + DAY)
    await adapter.hold(stored.key, stored.version_id, False)
    await assert_kept(adapter, stored)


async def test_locks_are_those_of_one_version(adapter: LockingStore, stored: StoredObject, key: str) -> None:
    other = await adapter.put(key, body(b"other"))
    await adapter.hold(key, stored.version_id, True)
    await adapter.delete(key, other.version_id)
    await assert_kept(adapter, stored)
    await adapter.hold(key, stored.version_id, False)


async def test_what_is_missing_has_no_locks(
    adapter: LockingStore, stored: StoredObject, clock: Clock
) -> None:
    missing = (stored.key, new_id())
    with pytest.raises(ObjectMissing):
        await adapter.state(*missing)
    with pytest.raises(ObjectMissing):
        await adapter.hold(*missing, True)
    with pytest.raises(ObjectMissing):
        await adapter.retain(*missing, until=clock.now() + DAY)
