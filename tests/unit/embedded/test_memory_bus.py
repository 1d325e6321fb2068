"""The bus of the unit tier behaves as the port says, so that what is tested on it holds elsewhere."""

import asyncio
from dataclasses import replace

import pytest

from callward_common.events.bus import CommitRefused, Partition
from tests.support.bus import InMemoryBus
from tests.support.events import envelope


async def test_events_of_a_key_come_in_order_and_again_until_they_are_committed() -> None:
    bus = InMemoryBus()
    await bus.publish([envelope(number) for number in range(3)])

    first = await bus.subscribe("g", ["t"])
    read = await first.fetch(10, 0)
    assert [delivery.envelope.sequence for delivery in read] == [0, 1, 2]
    await first.commit({read[0].partition: 1})
    await first.close()

    second = await bus.subscribe("g", ["t"])
    assert [delivery.offset for delivery in await second.fetch(10, 0)] == [1, 2]


async def test_one_member_of_a_group_is_delivered_to_and_another_takes_over() -> None:
    bus = InMemoryBus()
    first, second = await bus.subscribe("g", ["t"]), await bus.subscribe("g", ["t"])
    await bus.publish([envelope(1)])

    assert await second.fetch(10, 0) == []
    with pytest.raises(CommitRefused):
        await second.commit({Partition("t", 0): 1})
    waiting = asyncio.create_task(second.fetch(10, 5))
    await first.close()
    assert len(await waiting) == 1


async def test_a_waiting_member_wakes_when_something_is_published() -> None:
    bus = InMemoryBus()
    member = await bus.subscribe("g", ["t"])
    waiting = asyncio.create_task(member.fetch(10, 5))
    await asyncio.sleep(0)

    await bus.publish([replace(envelope(1), topic="other"), envelope(2)])
    assert [delivery.envelope.sequence for delivery in await waiting] == [2]
