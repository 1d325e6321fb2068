"""PostgreSQL started and stopped by Callward: a server of its own, with data that survive restarts."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from callward_common.db.database import async_url
from callward_embedded import databases
from callward_embedded.binaries import find_binaries
from callward_embedded.cluster import Cluster
from callward_embedded.databases import DatabaseUrls
from callward_embedded.errors import PlaceUnusable, StartFailed
from callward_embedded.lock import FolderLock
from callward_embedded.passwords import PasswordFile
from callward_embedded.places import database_account, open_folder
from callward_embedded.postmaster import Postmaster, free_port

ADMIN: Final = "callward_admin"
#: Attempts to start: a port may be taken in between, or children of a killed server may still be ending.
_ATTEMPTS: Final = 4
#: Seconds between two looks whether it answers.
_LOOK: Final = 0.03


class EmbeddedPostgres:
    """A PostgreSQL server on a port of 127.0.0.1, for one process at a time."""

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
        durable: bool = True,
        start_timeout: float = 60.0,
    ) -> None:
        """`data_dir` is made when missing. `environment` (default: the process's) names binaries; `port` 0: a free one.

        `durable=False` is for tests, which lose nothing when the machine fails. `start_timeout` in seconds covers
        the recovery after a crash.
        """
        self._data_dir = data_dir
        self._environment = os.environ if environment is None else environment
        self._fixed_port, self.port = port, 0
        self._durable, self._timeout = durable, start_timeout
        self._lock: FolderLock | None = None
        self._passwords: PasswordFile | None = None
        self._postmaster: Postmaster | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        return self._postmaster.pid if self._postmaster is not None else None

    async def start(self) -> None:
        """Starts the server; it answers on return. Raises an EmbeddedError that says what to do."""
        account = database_account()
        folder = open_folder(self._data_dir, account)
        lock = FolderLock(folder)
        lock.acquire()
        try:
            cluster = Cluster(folder)
            binaries = find_binaries(
                self._environment, account, folder.parent / "binaries", major=cluster.recorded_major()
            )
            cluster.demand(binaries)
            self._passwords = PasswordFile(folder / "passwords.json")
            if cluster.path.exists() and not self._passwords.knows(ADMIN):
                raise PlaceUnusable(f"The data in {folder} are there, but the passwords for them are not.")
            self._postmaster = Postmaster(binaries, account, cluster.path, cluster.log)
            await self._postmaster.end_orphan()
            admin = (ADMIN, self._passwords.get(ADMIN))
            cluster.prepare(self._postmaster, binaries, account, admin, durable=self._durable)
            await self._bring_up(cluster, self._postmaster)
        except BaseException:
            await self.stop()
            lock.release()
            raise
        self._lock = lock

    async def stop(self) -> None:
        """Stops the server with everything committed on disk; stopping twice is fine."""
        if self._postmaster is not None:
            await self._postmaster.stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def ended(self) -> None:
        """Returns when the server has ended, however that came about."""
        while self.pid is not None:  # noqa: ASYNC110  # a process has no event that lives in any loop
            await asyncio.sleep(0.1)

    async def database(self, name: str, *, template: str | None = None) -> DatabaseUrls:
        """Returns the URLs of a database with two roles of its own, made when missing.

        `template` is another database made here, without connections to it: the new one is a copy that shares its
        roles.
        """
        owner, run = databases.owner_role(template or name), databases.run_role(template or name)
        passwords = self._known_passwords()
        async with self._admin("postgres") as connection:
            for role in (owner, run):
                renew = not passwords.knows(role)
                await databases.ensure_role(connection, role, passwords.get(role), renew=renew)
            await databases.ensure_database(connection, name, owner=owner, template=template or "template0")
            await databases.close_to_others(connection, name, run)
        if template is None:
            async with self._admin(name) as connection:
                await databases.close_schema(connection, run)
        return DatabaseUrls(owner_url=self._url(owner, name), run_url=self._url(run, name), run_role=run)

    async def _bring_up(self, cluster: Cluster, postmaster: Postmaster) -> None:
        for attempt in range(_ATTEMPTS):
            self.port = self._fixed_port or free_port()
            cluster.configure(port=self.port, durable=self._durable)
            postmaster.spawn()
            if await self._answers(postmaster):
                break
            await asyncio.sleep(0.2 * 2**attempt)
        else:
            raise StartFailed(f"PostgreSQL ended while it was starting: {cluster.log} says why.")
        async with self._admin("postgres") as connection:
            for database in ("postgres", "template1"):
                await connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")

    async def _answers(self, postmaster: Postmaster) -> bool:
        """Waits until the server answers: True; or has ended: False. Raises StartFailed when it does neither."""
        try:
            async with asyncio.timeout(self._timeout):
                while postmaster.pid is not None:
                    try:
                        async with self._admin("postgres") as connection:
                            await connection.scalar(text("SELECT 1"))
                        return True
                    except (OSError, SQLAlchemyError):
                        await asyncio.sleep(_LOOK)
        except TimeoutError:
            raise StartFailed(
                f"PostgreSQL did not answer within {self._timeout:g} seconds of its start."
            ) from None
        return False

    def _known_passwords(self) -> PasswordFile:
        if self._passwords is None:
            raise StartFailed("PostgreSQL has not been started.")
        return self._passwords

    def _url(self, role: str, database: str) -> str:
        password = self._known_passwords().get(role)
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def _admin(self, database: str) -> AsyncIterator[AsyncConnection]:
        url = async_url(self._url(ADMIN, database))
        engine = create_async_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True
        )
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()
