"""The consent service on a real database, behind real mutual TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from callward.access.v1.events_pb2 import TenantChanged
from callward.audit.v1.actor_pb2 import ACTOR_KIND_SERVICE, Actor
from callward.consent.v1 import consent_decider_service_pb2_grpc as decider_grpc
from callward.consent.v1 import consent_recorder_service_pb2_grpc as recorder_grpc
from callward_common.events.envelope import Envelope
from callward_common.grpc.client import MtlsChannels
from callward_common.ids import new_id
from callward_common.tenancy.model import QueueRule, TenantRecord
from callward_common.tenancy.projection import to_proto
from callward_consent.settings import ConsentSettings
from callward_consent.wiring import NAME, build
from tests.support.bus import InMemoryBus
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, ServiceDatabase, service_database
from tests.support.tenants import MERCY, OTHER, SUSPENDED

PACKAGE = "callward_consent"


class Running:
    """The running service, its neighbours' view of it, and the database beneath it."""

    def __init__(
        self,
        database: ServiceDatabase,
        bus: InMemoryBus,
        clock: ManualClock,
        channels: Callable[[str], MtlsChannels],
    ) -> None:
        self.urls, self.bus, self.clock, self._channels = database.urls, bus, clock, channels
        self._sequence = 0

    def recorder(self, caller: str = "ingest") -> Any:
        """Gives a stub of ConsentRecorder for a calling component."""
        return recorder_grpc.ConsentRecorderStub(self._channels(caller).channel(NAME))

    def decider(self, caller: str = "ingest") -> Any:
        """Gives a stub of ConsentDecider for a calling component."""
        return decider_grpc.ConsentDeciderStub(self._channels(caller).channel(NAME))

    async def provision(self, *records: TenantRecord) -> None:
        """Publishes tenants and returns when the service has taken them in."""
        self._sequence += len(records)
        await self.bus.publish([self._envelope(record) for record in records])
        await until(lambda: self._taken_in() == self._sequence)

    def _taken_in(self) -> int:
        group = f"{NAME}-tenants"
        return sum(position for (name, _), position in self.bus.committed.items() if name == group)

    def _envelope(self, record: TenantRecord) -> Envelope:
        actor = Actor(kind=ACTOR_KIND_SERVICE, id="operator")
        message = TenantChanged(actor=actor, tenant=to_proto(record))
        return Envelope(
            id=new_id(),
            type=message.DESCRIPTOR.full_name,
            source="access-gateway",
            time=self.clock.now(),
            tenant=record.tenant_id,
            topic="callward.tenants.v1",
            key=record.tenant_id,
            sequence=self._sequence,
            enforced=True,
            traceparent=None,
            data=message.SerializeToString(),
        )


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Returns when the condition holds; fails after some seconds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for is another task's
            await asyncio.sleep(0.01)


class Nowhere:
    """Channels of a service whose background work does not run here."""

    def channel(self, component: str) -> Any:
        raise AssertionError(f"nobody calls {component} in these tests")


def implied(record: TenantRecord) -> TenantRecord:
    """Adds the queue "reminders", where an announcement may suffice."""
    queues = {**record.queues, "reminders": QueueRule("reminders", recording_on=True, implied_consent=True)}
    return replace(record, queues=queues)


@asynccontextmanager
async def running(postgres: PostgresServer, *, pool_size: int = 5) -> AsyncIterator[Running]:
    """Runs the service with three tenants provisioned."""
    clock, bus = ManualClock(), InMemoryBus()
    async with service_database(postgres, PACKAGE, NAME, clock=clock, pool_size=pool_size) as database:
        service = build(ConsentSettings(), db=database.database, bus=bus, clock=clock, channels=Nowhere())
        (consumer,) = service.consumers
        consuming = asyncio.create_task(consumer.run(asyncio.Event()))
        try:
            async with run_servicers(NAME, service.grpc, identities()) as channels:
                world = Running(database, bus, clock, channels)
                await world.provision(implied(MERCY), implied(OTHER), SUSPENDED)
                yield world
        finally:
            consuming.cancel()
            with suppress(asyncio.CancelledError):
                await consuming


@pytest.fixture
async def consent(postgres: PostgresServer) -> AsyncIterator[Running]:
    async with running(postgres) as world:
        yield world


@pytest.fixture
async def single(postgres: PostgresServer) -> AsyncIterator[Running]:
    """The service with a pool of one connection."""
    async with running(postgres, pool_size=1) as world:
        yield world


@pytest.fixture
async def sessions(consent: Running) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Gives sessions of PostgreSQL beside the service: as "run" or as "owner"."""
    opened: list[Any] = []

    async def open_as(role: str) -> Any:
        url = consent.urls.run_url if role == "run" else consent.urls.owner_url
        opened.append(await asyncpg.connect(url))
        return opened[-1]

    yield open_as
    for session in opened:
        await session.close()
