"""A real PostgreSQL for tests: one server per pytest-xdist worker, one migrated template per package.

The server runs without fsync: a test loses nothing when the machine fails, and starts thrice as fast. Nothing else
differs from the product. What is to survive a crash is tested with servers of their own, see
tests/integration/embedded.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from callward_common.clock import Clock, SystemClock
from callward_common.db.database import Database
from callward_common.db.migrate import upgrade
from callward_embedded.databases import DatabaseUrls
from callward_embedded.postgres import EmbeddedPostgres


class PostgresServer:
    """The server of this worker and its templates."""

    def __init__(self, embedded: EmbeddedPostgres) -> None:
        self.embedded = embedded
        self._templates: set[str] = set()
        self._numbers = itertools.count(1)

    async def empty(self, name: str = "test") -> DatabaseUrls:
        """Returns a new database without tables, with an owner and a run role of its own."""
        return await self.embedded.database(f"{name}_{next(self._numbers)}")

    async def migrated(self, package: str) -> DatabaseUrls:
        """Returns a new database with the tables of a package: a copy of its template."""
        if package not in self._templates:
            urls = await self.embedded.database(package)
            await upgrade(urls.owner_url, package, run_role=urls.run_role)
            self._templates.add(package)
        return await self.embedded.database(f"{package}_{next(self._numbers)}", template=package)


@dataclass(frozen=True)
class ServiceDatabase:
    """A migrated database of a test and the Database on it, as the run role."""

    database: Database
    urls: DatabaseUrls


@asynccontextmanager
async def service_database(
    postgres: PostgresServer, package: str, producer: str, *, clock: Clock | None = None, pool_size: int = 5
) -> AsyncIterator[ServiceDatabase]:
    """Gives a fresh migrated database of `package` for as long as the block lasts."""
    urls = await postgres.migrated(package)
    database = Database.connect(
        urls.run_url, producer=producer, clock=clock or SystemClock(), pool_size=pool_size
    )
    try:
        yield ServiceDatabase(database, urls)
    finally:
        await database.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server of this worker, started at the first test that asks for it."""
    folder = Path(tempfile.mkdtemp(prefix="callward-test-"))
    folder.chmod(0o711)  # as root the server runs as another user, who must pass through
    embedded = EmbeddedPostgres(folder / "postgres", durable=False)
    asyncio.run(embedded.start())
    try:
        yield PostgresServer(embedded)
    finally:
        asyncio.run(embedded.stop())
        shutil.rmtree(folder, ignore_errors=True)
