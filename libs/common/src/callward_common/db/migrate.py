"""Migrations: a service ships them in its package, its owner role runs them, in one transaction."""

from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from callward_common.db.database import async_url
from callward_common.db.tables import MIGRATION_LOCK


async def upgrade(owner_url: str, package: str, *, run_role: str) -> None:
    """Brings a database to the newest version in `<package>.migrations`: all of it, or nothing.

    `owner_url` logs in as the role that owns the tables, `run_role` is the one that the service runs as and that
    owns nothing. A second run changes nothing; two at once run one after the other.
    """
    engine = create_async_engine(async_url(owner_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(*MIGRATION_LOCK)))
            await connection.run_sync(_upgrade, package, run_role)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, package: str, run_role: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.attributes["run_role"] = run_role
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)  # noqa: SLF001  # as alembic.command does; no other way

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table="alembic_version")
        environment.run_migrations()
