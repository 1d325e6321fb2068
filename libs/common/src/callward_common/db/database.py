"""The door to a service's database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, select, true
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from callward_common.clock import Clock
from callward_common.db.tables import TENANT_SETTING
from callward_common.db.transaction import Transaction
from callward_common.errors import Unavailable


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or has no connection free. Whether a commit under way was done is unknown."""

    type = "database-unavailable"
    title = "The database does not answer"


class Database:
    """A pool of connections. Each transaction has one of its own, and exactly one tenant or none."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        producer: str,
        clock: Clock,
        max_event_bytes: int = 262_144,
        patience: float = 10.0,
    ) -> None:
        """`producer`: the component's name, the source of its events. `max_event_bytes`: of one event.

        `patience`: seconds until a connection of the pool has to be there and to have answered.
        """
        self.engine, self.producer, self.clock = engine, producer, clock
        self.woken = asyncio.Event()
        self._max_event_bytes, self._patience = max_event_bytes, patience

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        producer: str,
        clock: Clock,
        pool_size: int = 5,
        connect_timeout: float = 5.0,
        statement_timeout: float = 30.0,
        idle_timeout: float = 60.0,
    ) -> "Database":
        """Returns a database that opens connections when they are needed. Timeouts in seconds.

        `connect_timeout` is for opening a connection and for waiting until one is free. After `statement_timeout`
        PostgreSQL ends a statement; one that does not answer even then is given up a little later. After
        `idle_timeout` it ends a session that stands idle in a transaction: it would hold back every relay.
        """
        settings = {
            "application_name": f"callward-{producer}",
            "statement_timeout": f"{statement_timeout * 1000:.0f}ms",
            "idle_in_transaction_session_timeout": f"{idle_timeout * 1000:.0f}ms",
        }
        engine = create_async_engine(
            async_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=connect_timeout,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "timeout": connect_timeout,
                # PostgreSQL's own timeout comes first, unless it says nothing any more.
                "command_timeout": statement_timeout + connect_timeout,
                "server_settings": settings,
            },
        )
        return cls(engine, producer=producer, clock=clock, patience=2 * connect_timeout)

    async def close(self) -> None:
        """Closes the pool."""
        await self.engine.dispose()

    async def ping(self) -> None:
        """Returns when the database answers, else raises DatabaseUnavailable."""
        async with self._connection() as connection:
            await connection.execute(select(1))

    def wake(self) -> None:
        """Tells the relay of this process that there are events to publish."""
        self.woken.set()

    @asynccontextmanager
    async def transaction(self, tenant: str | None = None) -> AsyncIterator[Transaction]:
        """Begins a transaction; commits at the end of the block, rolls back when it raises.

        Row-level security shows the rows of `tenant`, of nobody when it is None. Raises DatabaseUnavailable.
        """
        if tenant == "":
            raise ValueError("a tenant is not empty; None means none")
        async with self._connection() as connection, connection.begin():
            # Also when there is none: a value set by SESSION elsewhere would survive in a pooled connection.
            await connection.execute(select(func.set_config(TENANT_SETTING, tenant or "", true())))
            transaction = Transaction(
                connection, tenant, clock=self.clock, max_event_bytes=self._max_event_bytes
            )
            yield transaction
            emitted = await transaction.flush()
        transaction.committed()
        if emitted:
            self.wake()

    @asynccontextmanager
    async def dedicated(self, *, autocommit: bool = False) -> AsyncIterator[AsyncConnection]:
        """Gives a connection outside the pool, closed at the end: for a lock that a session holds.

        `autocommit`: each statement is a transaction of its own, so that none is left open.
        """
        async with self._connection() as connection:
            if autocommit:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await connection.run_sync(lambda sync: sync.detach())
            try:
                yield connection
            finally:
                # SQLAlchemy drops, but does not close, a detached connection that was cancelled in mid-statement:
                # its session would live on with the lock.
                await asyncio.shield(driver.close(timeout=2.0))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        connection = self.engine.connect()
        try:
            async with asyncio.timeout(self._patience):
                await connection.start()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise DatabaseUnavailable("The database does not answer.", retry_after=1.0) from error
        try:
            yield connection
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable("The database does not answer.", retry_after=1.0) from error
            raise
        except TimeoutError as error:  # of the driver: nothing came within its `command_timeout`
            raise DatabaseUnavailable("The database does not answer.", retry_after=1.0) from error
        finally:
            # Shielded: a cancelled caller must not leave a connection out of the pool.
            await asyncio.shield(connection.close())


def async_url(url: str) -> URL:
    """Returns a postgresql URL with the driver that Callward uses."""
    return make_url(url).set(drivername="postgresql+asyncpg")
