"""The tenant projection on a real PostgreSQL: versions, cache, ambiguity, and an unreachable database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from callward.access.v1.events_pb2 import TenantChanged
from callward_common.db import Database
from callward_common.db.migrate import upgrade
from callward_common.errors import InvalidRequest, Unavailable
from callward_common.events.envelope import Envelope
from callward_common.ids import new_id
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import TenantProjection, to_proto
from tests.support.clock import ManualClock
from tests.support.tenants import ACCESS_AUDIENCE, MERCY, OTHER, PEOPLE_ISSUER

SAMPLE = "tests.integration.common_data.sample"


class World:
    """Two projections over one database, as two processes have them."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.db = Database.connect(url, producer="ingest", clock=self.clock, pool_size=1, connect_timeout=2)
        self.own, self.other = TenantProjection(self.db, self.clock), TenantProjection(self.db, self.clock)

    async def change(self, record: TenantRecord, tenant: str | None = None) -> None:
        """Handles a TenantChanged as the consumer does."""
        message = TenantChanged(tenant=to_proto(record))
        envelope = Envelope(
            id=new_id(),
            type=message.DESCRIPTOR.full_name,
            source="access-gateway",
            time=self.clock.now(),
            tenant=tenant or record.tenant_id,
            topic="callward.tenants.v1",
            key=record.tenant_id,
            sequence=1,
            enforced=True,
            traceparent=None,
            data=message.SerializeToString(),
        )
        async with self.db.transaction(record.tenant_id) as transaction:
            await self.own.handler(transaction, envelope, message)


@pytest.fixture
async def world(postgres: Any) -> AsyncIterator[World]:
    urls = await postgres.empty("net")
    await upgrade(urls.owner_url, SAMPLE, run_role=urls.run_role)
    world = World(urls.run_url)
    yield world
    await world.db.close()


async def test_a_handled_change_is_seen_at_once_here_and_soon_elsewhere(world: World) -> None:
    assert await world.own.get(MERCY.tenant_id) is None
    assert await world.other.get(MERCY.tenant_id) is None
    await world.change(MERCY)
    assert await world.own.get(MERCY.tenant_id) == MERCY
    assert await world.own.by_issuer(PEOPLE_ISSUER, {ACCESS_AUDIENCE, "elsewhere"}) == MERCY
    assert await world.other.get(MERCY.tenant_id) is None
    world.clock.advance(timedelta(seconds=6))
    assert await world.other.get(MERCY.tenant_id) == MERCY


async def test_an_older_version_never_overwrites_a_newer(world: World) -> None:
    suspended = replace(MERCY, version=3, active=False)
    await world.change(suspended)
    for version in (1, 2, 3):
        await world.change(replace(MERCY, version=version))
        assert await world.own.get(MERCY.tenant_id) == suspended
    await world.change(replace(MERCY, version=4))
    assert await world.own.get(MERCY.tenant_id) == replace(MERCY, version=4)


async def test_an_issuer_of_two_tenants_belongs_to_none(world: World) -> None:
    await world.change(MERCY)
    await world.change(replace(OTHER, issuers=MERCY.issuers))
    assert await world.own.by_issuer(PEOPLE_ISSUER, {ACCESS_AUDIENCE}) is None
    await world.change(replace(OTHER, version=2))
    assert await world.own.by_issuer(PEOPLE_ISSUER, {ACCESS_AUDIENCE}) == MERCY
    assert await world.own.by_issuer(PEOPLE_ISSUER, {"elsewhere"}) is None


async def test_an_event_of_another_tenant_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest):
        await world.change(MERCY, tenant="other-clinic")
    assert await world.own.get(MERCY.tenant_id) is None


async def test_a_rolled_back_change_is_not_seen(world: World) -> None:
    envelope: Any = SimpleNamespace(tenant=MERCY.tenant_id)

    async def handle_and_fail() -> None:
        async with world.db.transaction(MERCY.tenant_id) as transaction:
            await world.own.handler(transaction, envelope, TenantChanged(tenant=to_proto(MERCY)))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await handle_and_fail()
    assert await world.own.get(MERCY.tenant_id) is None


async def test_without_a_database_it_fails_closed_once_the_cache_is_old() -> None:
    world = World("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        await world.own.get(MERCY.tenant_id)
    with pytest.raises(Unavailable):
        await world.own.by_issuer(PEOPLE_ISSUER, {ACCESS_AUDIENCE})
    await world.db.close()
