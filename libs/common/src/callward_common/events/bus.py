"""The port to the event bus: at least once, in order per key."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from callward_common.errors import CallwardError, Category, Unavailable
from callward_common.events.envelope import Envelope


class BusUnavailable(Unavailable):
    """The event bus does not answer."""

    type = "event-bus-unavailable"
    title = "The event bus does not answer"


class CommitRefused(CallwardError):
    """A consumer no longer owns the partition it commits for. Normal after a rebalance: another has taken over."""

    category = Category.conflict
    type = "commit-refused"
    title = "Commit refused"


class Partition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as read: the next position to read is `offset + 1`."""

    partition: Partition
    offset: int
    envelope: Envelope


#: Where a consumer that keeps its own offsets goes on: the next offset to read, None to start at the beginning.
PositionSource = Callable[[Partition], Awaitable[int | None]]


class Subscription(Protocol):
    """One member of a consumer group, for one task at a time."""

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Delivery]:
        """Returns the next deliveries, in order per partition; none when `timeout` seconds brought none."""

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Makes the next positions to read durable for the group. Raises CommitRefused for a lost partition."""

    async def close(self) -> None:
        """Leaves the group. What is not committed is delivered again to another member."""


class EventBus(Protocol):
    """Topics of partitions. Events of one key are in one partition."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes in the order given; durable on return. After an error any of them may be on the bus, or none."""

    async def subscribe(
        self, group: str, topics: Sequence[str], *, positions: PositionSource | None = None
    ) -> Subscription:
        """Joins a group at its committed positions, a new one at the beginning; or at those of `positions`."""
