"""What every event bus does: at least once, in order per key, positions per group."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest

from callward_common.events.bus import (
    CommitRefused,
    Delivery,
    EventBus,
    Partition,
    PositionSource,
    Subscription,
)
from callward_common.events.envelope import Envelope
from callward_common.ids import new_id


def event(topic: str, key: str = "k", sequence: int = 1, **more: Any) -> Envelope:
    values: dict[str, Any] = {
        "id": new_id(),
        "type": "callward.access.v1.AccessGranted",
        "source": "access-gateway",
        "time": datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC),
        "tenant": "mercy",
        "topic": topic,
        "key": key,
        "sequence": sequence,
        "enforced": True,
        "traceparent": None,
        "data": b"",
    }
    return Envelope(**{**values, **more})


@asynccontextmanager
async def subscribed(
    bus: EventBus, group: str, *topics: str, positions: PositionSource | None = None
) -> AsyncIterator[Subscription]:
    subscription = await bus.subscribe(group, topics, positions=positions)
    try:
        yield subscription
    finally:
        await subscription.close()


async def take(subscription: Subscription, count: int) -> list[Delivery]:
    """Fetches until there are `count` deliveries: a bus may hand them out in parts."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(deliveries) < count:
            deliveries += await subscription.fetch(count - len(deliveries), 1.0)
    return deliveries


def after(deliveries: Sequence[Delivery]) -> dict[Partition, int]:
    """The positions to commit when all of these are done with."""
    return {delivery.partition: delivery.offset + 1 for delivery in deliveries}


async def test_an_envelope_arrives_as_it_was_sent(adapter: EventBus, topic: str, group: str) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    sent = [
        event(topic, data=bytes(range(256)) * 40, sequence=2**40),
        event(topic, tenant="", enforced=False, traceparent=traceparent, key="kéy/ß"),
    ]
    async with subscribed(adapter, group, topic) as subscription:
        await adapter.publish(sent)
        got = {delivery.envelope.id: delivery.envelope for delivery in await take(subscription, 2)}
    assert got == {envelope.id: envelope for envelope in sent}


async def test_a_new_group_begins_at_the_beginning(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic, sequence=number) for number in range(5)])
    async with subscribed(adapter, group, topic) as subscription:
        assert [delivery.envelope.sequence for delivery in await take(subscription, 5)] == list(range(5))


async def test_order_per_key_and_one_partition_per_key(adapter: EventBus, topic: str, group: str) -> None:
    keys = [f"key-{number}" for number in range(20)]
    async with subscribed(adapter, group, topic) as subscription:
        for sequence in range(0, 200, 40):
            await adapter.publish([event(topic, keys[n % 20], n) for n in range(sequence, sequence + 40)])
        deliveries = await take(subscription, 200)
    partitions: dict[str, set[Partition]] = {}
    for key in keys:
        of_key = [delivery for delivery in deliveries if delivery.envelope.key == key]
        assert [delivery.envelope.sequence for delivery in of_key] == list(range(int(key[4:]), 200, 20))
        partitions[key] = {delivery.partition for delivery in of_key}
    assert all(len(found) == 1 for found in partitions.values())
    assert len(set.union(*partitions.values())) > 1


async def test_offsets_rise_within_a_partition(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic, f"key-{number}") for number in range(50)])
    async with subscribed(adapter, group, topic) as subscription:
        deliveries = await take(subscription, 50)
    ordered = sorted(deliveries, key=lambda delivery: delivery.partition)
    for _, found in groupby(ordered, key=lambda delivery: delivery.partition):
        offsets = [delivery.offset for delivery in found]
        assert offsets == sorted(set(offsets))


async def test_what_was_committed_is_not_delivered_again(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic, sequence=number) for number in range(6)])
    async with subscribed(adapter, group, topic) as subscription:
        await subscription.commit(after(await take(subscription, 4)))
    async with subscribed(adapter, group, topic) as subscription:
        assert [delivery.envelope.sequence for delivery in await take(subscription, 2)] == [4, 5]


async def test_what_was_not_committed_is_delivered_again(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic, sequence=number) for number in range(3)])
    for _ in range(2):
        async with subscribed(adapter, group, topic) as subscription:
            assert [delivery.envelope.sequence for delivery in await take(subscription, 3)] == [0, 1, 2]


async def test_groups_do_not_share_positions(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic)])
    for name in (group, f"{group}-2"):
        async with subscribed(adapter, name, topic) as subscription:
            await subscription.commit(after(await take(subscription, 1)))
    async with subscribed(adapter, group, topic) as subscription:
        assert await subscription.fetch(10, 0.2) == []


async def test_a_subscription_has_its_topics_only(adapter: EventBus, topic: str, group: str) -> None:
    topics = [f"{topic}.{number}" for number in range(3)]
    await adapter.publish([event(each) for each in topics])
    async with subscribed(adapter, group, *topics[:2]) as subscription:
        deliveries = await take(subscription, 2)
        assert {delivery.envelope.topic for delivery in deliveries} == set(topics[:2])
        assert await subscription.fetch(10, 0.2) == []


async def test_a_fetch_gives_no_more_than_asked_for_and_nothing_in_time(
    adapter: EventBus, topic: str, group: str
) -> None:
    async with subscribed(adapter, group, topic) as subscription:
        assert await subscription.fetch(10, 0.05) == []
        await adapter.publish([event(topic) for _ in range(5)])
        fetched = list(await take(subscription, 2))
        assert len(fetched) == 2
        assert len(await take(subscription, 3)) == 3


async def test_a_waiting_fetch_is_woken_by_a_publication(adapter: EventBus, topic: str, group: str) -> None:
    async with subscribed(adapter, group, topic) as subscription:
        waiting = asyncio.create_task(take(subscription, 1))
        sent = event(topic)
        await adapter.publish([sent])
        assert [delivery.envelope for delivery in await waiting] == [sent]


async def test_a_consumer_may_keep_its_own_positions(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic, sequence=number) for number in range(4)])
    kept: dict[Partition, int] = {}

    async def position(partition: Partition) -> int | None:
        return kept.get(partition)

    async with subscribed(adapter, group, topic, positions=position) as subscription:
        deliveries = await take(subscription, 4)
        # Further than what it keeps: its own positions decide, not those of the group.
        await subscription.commit(after(deliveries))
    kept.update(after(deliveries[:3]))
    async with subscribed(adapter, group, topic, positions=position) as subscription:
        assert [delivery.envelope.sequence for delivery in await take(subscription, 1)] == [3]


async def test_a_member_that_leaves_is_replaced_where_it_stood(
    adapter: EventBus, topic: str, group: str
) -> None:
    first = await adapter.subscribe(group, [topic])
    await adapter.publish([event(topic, sequence=1)])
    await first.commit(after(await take(first, 1)))
    async with subscribed(adapter, group, topic) as second:
        await first.close()
        await adapter.publish([event(topic, sequence=2)])
        assert [delivery.envelope.sequence for delivery in await take(second, 1)] == [2]


async def test_who_has_left_cannot_commit(adapter: EventBus, topic: str, group: str) -> None:
    await adapter.publish([event(topic)])
    subscription = await adapter.subscribe(group, [topic])
    deliveries = await take(subscription, 1)
    await subscription.close()
    with pytest.raises(CommitRefused):
        await subscription.commit(after(deliveries))


async def test_publishing_nothing_is_fine(adapter: EventBus) -> None:
    await adapter.publish([])


async def test_publishers_at_once_lose_nothing(adapter: EventBus, topic: str, group: str) -> None:
    sent = [[event(topic, f"key-{number}", place) for place in range(10)] for number in range(10)]
    await asyncio.gather(*(adapter.publish(batch) for batch in sent))
    async with subscribed(adapter, group, topic) as subscription:
        deliveries = await take(subscription, 100)
    assert {delivery.envelope.id for delivery in deliveries} == {each.id for batch in sent for each in batch}
