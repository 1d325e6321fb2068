"""Buses and sources that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from callward.access.v1.events_pb2 import AccessGranted, MediaServed
from callward.audit.v1.actor_pb2 import ACTOR_KIND_PERSON, Actor
from callward_common.db import Database
from callward_common.events.bus import Delivery, Partition, PositionSource
from callward_common.events.envelope import Envelope
from callward_common.events.watermark import Watermark

TENANT = "mercy"
TOPIC = "callward.access.v1"


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 20.0) -> None:
    """Returns when the condition holds; fails the test when it does not within some seconds."""
    async with asyncio.timeout(within):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(runnable: Any) -> AsyncIterator[asyncio.Event]:
    """Runs a runnable for a block, and stops it as a host does."""
    stop = asyncio.Event()
    task = asyncio.create_task(runnable.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


def granted(recording: str = "r", purpose: str = "TREAT") -> AccessGranted:
    """Gives an enforced event."""
    return AccessGranted(
        actor=Actor(kind=ACTOR_KIND_PERSON, id="ann", issuer="https://idp.example"),
        recording_id=recording,
        action="listen",
        purpose=purpose,
    )


def served(recording: str = "r", first_byte: int = 0) -> MediaServed:
    """Gives a best-effort event."""
    return MediaServed(
        actor=Actor(kind=ACTOR_KIND_PERSON, id="ann", issuer="https://idp.example"),
        recording_id=recording,
        first_byte=first_byte,
    )


async def emit(db: Database, *purposes: str, key: str = "r") -> list[str]:
    """Commits enforced events, told apart by their purpose."""
    async with db.transaction(TENANT) as transaction:
        return [
            transaction.emit(granted(key, purpose), key=key, tenant=TENANT)
            for purpose in purposes or ("TREAT",)
        ]


class Broken(Exception):
    """A bus as broken as it gets."""


@dataclass
class RecordingBus:
    """Keeps what is published. `failing`: raises; `before_failing`: after it kept what it was given."""

    published: list[Envelope] = field(default_factory=list)
    failing: bool = False
    keeps_when_failing: bool = False
    attempts: int = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.attempts += 1
        if not self.failing or self.keeps_when_failing:
            self.published.extend(envelopes)
        if self.failing:
            raise Broken("the text of a failure may hold anything: SECRET-TEXT")

    async def subscribe(
        self, group: str, topics: Sequence[str], *, positions: PositionSource | None = None
    ) -> "ScriptedBus":
        raise NotImplementedError

    @property
    def sequences(self) -> list[int]:
        return [envelope.sequence for envelope in self.published]

    @property
    def purposes(self) -> list[str]:
        return [AccessGranted.FromString(envelope.data).purpose for envelope in self.published]


@dataclass
class ScriptedBus:
    """A bus and its one subscription: delivers batches in turn, then nothing; `refusals` refuses commits."""

    batches: list[Sequence[Envelope]]
    commits: list[Mapping[Partition, int]] = field(default_factory=list)
    refusal: Exception | None = None
    outages: list[Exception] = field(default_factory=list)
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False
    _offset: int = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        raise NotImplementedError

    async def subscribe(
        self, group: str, topics: Sequence[str], *, positions: PositionSource | None = None
    ) -> "ScriptedBus":
        return self

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Delivery]:
        if self.outages:
            raise self.outages.pop(0)
        if not self.batches:
            self.drained.set()
            await asyncio.sleep(0)
            return []
        batch = self.batches.pop(0)
        deliveries = [
            Delivery(Partition(envelope.topic, 0), self._offset + place, envelope)
            for place, envelope in enumerate(batch)
        ]
        self._offset += len(batch)
        return deliveries

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.commits.append(dict(positions))

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeSource:
    """Answers a watermark, or raises."""

    sequence: int = 0
    failure: Exception | None = None

    async def watermark(self) -> Watermark:
        if self.failure is not None:
            raise self.failure
        return Watermark(self.sequence, None)
