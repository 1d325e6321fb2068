"""The retention service on a real database, behind real mutual TLS."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from callward.access.v1.events_pb2 import TenantChanged
from callward.audit.v1.actor_pb2 import ACTOR_KIND_SERVICE, Actor
from callward.retention.v1 import retention_planner_service_pb2_grpc as planner_grpc
from callward_common.events.envelope import Envelope
from callward_common.grpc.client import MtlsChannels
from callward_common.ids import new_id
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import to_proto
from callward_retention.settings import RetentionSettings
from callward_retention.wiring import NAME, build
from tests.support.bus import InMemoryBus
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, ServiceDatabase, service_database
from tests.support.tenants import MERCY, OTHER, SUSPENDED

PACKAGE = "callward_retention"


class Nowhere:
    """Channels of a service whose background work does not run here."""

    def channel(self, component: str) -> Any:
        raise AssertionError(f"nobody calls {component} in these tests")


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
        self._published = 0

    def planner(self, caller: str = "ingest") -> Any:
        """Gives a stub of RetentionPlanner for a calling component."""
        return planner_grpc.RetentionPlannerStub(self._channels(caller).channel(NAME))

    async def provision(self, *records: TenantRecord) -> None:
        """Publishes tenants and returns when the service has taken them in."""
        await self.bus.publish([self._envelope(record) for record in records])
        self._published += len(records)
        async with asyncio.timeout(20):
            while self._taken_in() < self._published:  # noqa: ASYNC110  # the consumer is another task
                await asyncio.sleep(0.01)

    def _taken_in(self) -> int:
        return sum(at for (group, _), at in self.bus.committed.items() if group == f"{NAME}-tenants")

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
            sequence=1,
            enforced=True,
            traceparent=None,
            data=message.SerializeToString(),
        )


@asynccontextmanager
async def running(postgres: PostgresServer, *, pool_size: int) -> AsyncIterator[Running]:
    """Runs the service with three tenants provisioned, the second a physician in New York."""
    clock, bus = ManualClock(), InMemoryBus()
    async with service_database(postgres, PACKAGE, NAME, clock=clock, pool_size=pool_size) as database:
        service = build(RetentionSettings(), db=database.database, bus=bus, clock=clock, channels=Nowhere())
        (consumer,) = service.consumers
        consuming = asyncio.create_task(consumer.run(asyncio.Event()))
        try:
            async with run_servicers(NAME, service.grpc, identities()) as channels:
                world = Running(database, bus, clock, channels)
                physician = replace(OTHER, entity_type="physician", home_state="NY")
                await world.provision(MERCY, physician, SUSPENDED)
                yield world
        finally:
            consuming.cancel()
            with suppress(asyncio.CancelledError):
                await consuming


@pytest.fixture
async def retention(postgres: PostgresServer) -> AsyncIterator[Running]:
    """The service with a pool of one connection: nothing here may need two at once."""
    async with running(postgres, pool_size=1) as world:
        yield world


@pytest.fixture
async def owner(retention: Running) -> AsyncIterator[Any]:
    session = await asyncpg.connect(retention.urls.owner_url)
    yield session
    await session.close()


@pytest.fixture
async def run_role(retention: Running) -> AsyncIterator[Any]:
    session = await asyncpg.connect(retention.urls.run_url)
    yield session
    await session.close()
