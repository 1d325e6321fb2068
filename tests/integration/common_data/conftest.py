"""A migrated database of the sample package for every test."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from callward_common.db import Database
from callward_common.db.migrate import upgrade
from callward_embedded.databases import DatabaseUrls
from tests.support.clock import ManualClock
from tests.support.postgres import PostgresServer

SAMPLE = "tests.integration.common_data.sample"
PRODUCER = "access-gateway"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def empty(postgres: PostgresServer) -> DatabaseUrls:
    """The URLs of a database without tables."""
    return await postgres.empty()


@pytest.fixture
async def urls(empty: DatabaseUrls) -> DatabaseUrls:
    """The URLs of a migrated database."""
    await upgrade(empty.owner_url, SAMPLE, run_role=empty.run_role)
    return empty


@pytest.fixture
async def db(urls: DatabaseUrls, clock: ManualClock) -> AsyncIterator[Database]:
    database = Database.connect(urls.run_url, producer=PRODUCER, clock=clock)
    yield database
    await database.close()


@pytest.fixture
async def owner(urls: DatabaseUrls) -> AsyncIterator[Any]:
    """A connection as the owner of the tables, past everything of Callward's."""
    connection = await asyncpg.connect(urls.owner_url)
    yield connection
    await connection.close()
