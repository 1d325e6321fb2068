"""Audit with everything real but its neighbour."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from callward_audit.settings import AuditSettings
from tests.integration.audit.world import HOST, World, world
from tests.support.postgres import PostgresServer


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> AuditSettings:
    """Checkpoints are signed soon; `@pytest.mark.parametrize("settings", [{…}], indirect=True)` changes more."""
    changes = getattr(request, "param", {})
    return AuditSettings(**{"host": HOST, "checkpoint_interval": timedelta(milliseconds=50), **changes})


@pytest.fixture
def pool_size() -> int:
    """Connections of the database's pool."""
    return 5


@pytest.fixture
async def audit(postgres: PostgresServer, settings: AuditSettings, pool_size: int) -> AsyncIterator[World]:
    """Audit, wired."""
    async with world(postgres, settings, pool_size) as made:
        yield made
