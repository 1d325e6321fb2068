"""The gateway with everything real but its neighbours."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callward_access.settings import AccessSettings
from tests.integration.access.world import World, world
from tests.support.postgres import PostgresServer


@pytest.fixture
def pool_size() -> int:
    """Connections of the database's pool."""
    return 5


@pytest.fixture
async def access(postgres: PostgresServer, tmp_path: Path, pool_size: int) -> AsyncIterator[World]:
    """The gateway, wired and at work."""
    async with world(postgres, tmp_path / "objects", AccessSettings(), pool_size) as made:
        yield made
