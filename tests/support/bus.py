"""An event bus in memory, for the unit tier: topics of partitions, offsets per group, at least once."""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from callward_common.events.bus import CommitRefused, Delivery, Partition, PositionSource
from callward_common.events.envelope import Envelope

PARTITIONS = 8


class InMemoryBus:
    """An EventBus. `published` has every envelope in order; `failing` makes the next publications raise it."""

    def __init__(self) -> None:
        self.published: list[Envelope] = []
        self.committed: dict[tuple[str, Partition], int] = {}
        self.failing: Exception | None = None
        self._log: dict[Partition, list[Envelope]] = defaultdict(list)
        self._members: dict[str, list[InMemorySubscription]] = defaultdict(list)
        self._more = asyncio.Condition()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        if self.failing is not None:
            raise self.failing
        for envelope in envelopes:
            partition = Partition(envelope.topic, zlib.crc32(envelope.key.encode()) % PARTITIONS)
            self._log[partition].append(envelope)
            self.published.append(envelope)
        async with self._more:
            self._more.notify_all()

    async def subscribe(
        self, group: str, topics: Sequence[str], *, positions: PositionSource | None = None
    ) -> "InMemorySubscription":
        member = InMemorySubscription(self, group, topics, positions)
        self._members[group].append(member)
        return member

    def owner(self, group: str) -> "InMemorySubscription":
        """The one member of a group that is delivered to: the oldest that has not left."""
        return self._members[group][0]

    async def leave(self, member: "InMemorySubscription") -> None:
        """Removes a member; the next one takes over."""
        if member in self._members[member.group]:
            self._members[member.group].remove(member)
        async with self._more:
            self._more.notify_all()

    async def wait(self, ready: "InMemorySubscription", timeout: float) -> None:
        """Waits until there may be something for a member."""
        try:
            async with asyncio.timeout(timeout), self._more:
                await self._more.wait_for(lambda: self.owner(ready.group) is ready and ready.behind())
        except TimeoutError:
            return

    def length(self, partition: Partition) -> int:
        """How many envelopes a partition has."""
        return len(self._log[partition])

    def at(self, partition: Partition, offset: int) -> Envelope:
        """One envelope."""
        return self._log[partition][offset]


class InMemorySubscription:
    """A member of a group."""

    def __init__(
        self, bus: InMemoryBus, group: str, topics: Sequence[str], positions: PositionSource | None
    ) -> None:
        self.group = group
        self._bus, self._source = bus, positions
        self._partitions = [Partition(topic, number) for topic in topics for number in range(PARTITIONS)]
        self._next: dict[Partition, int] = {}

    def behind(self) -> bool:
        """Whether there is something to deliver."""
        return any(self._next.get(each, 0) < self._bus.length(each) for each in self._partitions)

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Delivery]:
        if self._bus.owner(self.group) is self and not self._next:
            for partition in self._partitions:
                self._next[partition] = await self._start(partition)
        if self._bus.owner(self.group) is not self or not self.behind():
            await self._bus.wait(self, timeout)
        if self._bus.owner(self.group) is not self:
            return []
        if not self._next:
            return await self.fetch(max_records, 0)
        deliveries: list[Delivery] = []
        for partition in self._partitions:
            while len(deliveries) < max_records and self._next[partition] < self._bus.length(partition):
                offset = self._next[partition]
                deliveries.append(Delivery(partition, offset, self._bus.at(partition, offset)))
                self._next[partition] = offset + 1
        return deliveries

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        if self._bus.owner(self.group) is not self:
            raise CommitRefused("Another member has taken over.")
        for partition, position in positions.items():
            self._bus.committed[self.group, partition] = position

    async def close(self) -> None:
        await self._bus.leave(self)

    async def _start(self, partition: Partition) -> int:
        if self._source is not None:
            return await self._source(partition) or 0
        return self._bus.committed.get((self.group, partition), 0)
