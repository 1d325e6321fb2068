"""The databases that the suite runs on."""

from collections.abc import Awaitable, Callable

import pytest

from callward_embedded.databases import DatabaseUrls
from tests.support.postgres import PostgresServer


async def embedded(server: PostgresServer) -> DatabaseUrls:
    """A database of the embedded platform."""
    return await server.empty("contract")


#: Name → a way to have an empty database with its two roles. A production database joins by one line.
ADAPTERS: dict[str, Callable[[PostgresServer], Awaitable[DatabaseUrls]]] = {
    "embedded": embedded,
}


@pytest.fixture(params=sorted(ADAPTERS))
async def adapter(request: pytest.FixtureRequest, postgres: PostgresServer) -> DatabaseUrls:
    return await ADAPTERS[request.param](postgres)
