"""Key-management over real PostgreSQL, real files and real mutual TLS."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from callward_embedded.file_objects import FileObjectStore
from callward_embedded.key_ring import LocalTransit
from callward_keys.settings import KeysSettings
from callward_keys.wiring import NAME, build
from tests.integration.keys.scene import PACKAGE, Scene
from tests.support.bus import InMemoryBus
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, ServiceDatabase, service_database
from tests.support.tenants import MERCY, OTHER, SUSPENDED
from tests.support.tokens import StaticIssuer, StaticJwksSource


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def opened(postgres: PostgresServer, clock: ManualClock) -> AsyncIterator[ServiceDatabase]:
    """A migrated database of the service, as its run role."""
    async with service_database(postgres, PACKAGE, NAME, clock=clock) as database:
        yield database


@pytest.fixture
async def owner(opened: ServiceDatabase) -> AsyncIterator[Any]:
    """A connection as the owner of the tables, past everything of Callward's."""
    connection = await asyncpg.connect(opened.urls.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def run(opened: ServiceDatabase) -> AsyncIterator[Any]:
    """A connection as the role that the service runs as."""
    connection = await asyncpg.connect(opened.urls.run_url)
    yield connection
    await connection.close()


@pytest.fixture
async def transit(tmp_path: Path, clock: ManualClock) -> AsyncIterator[LocalTransit]:
    ring = LocalTransit(tmp_path / "transit", clock)
    yield ring
    await ring.close()


@pytest.fixture
async def wraps(tmp_path: Path, clock: ManualClock) -> AsyncIterator[FileObjectStore]:
    store = FileObjectStore(tmp_path / "wraps", clock)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def scene(
    opened: ServiceDatabase, clock: ManualClock, transit: LocalTransit, wraps: FileObjectStore
) -> AsyncIterator[Scene]:
    """The service on its door; neighbours call through `scene.channels(component)`."""
    people = StaticIssuer.people(clock)
    others = StaticIssuer("https://people.other.example", clock)
    machines = StaticIssuer.machines(clock)
    bus = InMemoryBus()
    async with run_servicers("audit", [], identities()) as nobody:
        service = build(
            KeysSettings(bucket_limit=4),
            db=opened.database,
            bus=bus,
            clock=clock,
            channels=nobody(NAME),
            transit=transit,
            wraps=wraps,
            jwks=StaticJwksSource([people, others, machines]),
        )
        async with run_servicers(NAME, service.grpc, identities()) as channels:
            made = Scene(
                service, opened.database, bus, clock, transit, wraps, channels, people, others, machines
            )
            await made.provision(MERCY, OTHER, SUSPENDED)
            yield made
