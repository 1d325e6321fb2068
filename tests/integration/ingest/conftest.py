"""Ingest with everything real but its neighbours."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callward_ingest.settings import IngestSettings
from tests.integration.ingest.world import World, world
from tests.support.postgres import PostgresServer


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> IngestSettings:
    """The settings of a test: `@pytest.mark.parametrize("settings", [{…}], indirect=True)` changes them."""
    return IngestSettings(**getattr(request, "param", {}))


@pytest.fixture
def pool_size() -> int:
    """Connections of the database's pool."""
    return 5


@pytest.fixture
async def ingest(
    postgres: PostgresServer, tmp_path: Path, settings: IngestSettings, pool_size: int
) -> AsyncIterator[World]:
    """Ingest, wired."""
    async with world(postgres, tmp_path / "objects", settings, pool_size) as made:
        yield made
