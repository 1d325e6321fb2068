"""What every database under Callward gives: two roles, tenants apart, and what the outbox leans on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from callward_common.clock import SystemClock
from callward_common.db import Database
from callward_common.db.migrate import upgrade
from callward_embedded.databases import DatabaseUrls

SAMPLE = "tests.integration.common_data.sample"
#: The floor of what the SQL of Callward needs.
POSTGRESQL_15 = 150_000


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def migrated(adapter: DatabaseUrls) -> DatabaseUrls:
    await upgrade(adapter.owner_url, SAMPLE, run_role=adapter.run_role)
    return adapter


@pytest.fixture
async def run(migrated: DatabaseUrls) -> AsyncIterator[Any]:
    async with connected(migrated.run_url) as connection:
        yield connection


async def test_it_is_new_enough_and_speaks_utf8(adapter: DatabaseUrls) -> None:
    async with connected(adapter.run_url) as connection:
        assert int(await connection.fetchval("SHOW server_version_num")) >= POSTGRESQL_15
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW standard_conforming_strings") == "on"


async def test_the_run_role_is_ordinary_and_owns_nothing(run: Any, migrated: DatabaseUrls) -> None:
    assert await run.fetchval("SELECT current_user") == migrated.run_role
    role = await run.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    powers = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")
    assert {power: role[power] for power in powers} == dict.fromkeys(powers, False)
    owned = "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user"
    assert await run.fetchval(owned) == 0


async def test_the_owner_is_no_superuser_either(adapter: DatabaseUrls) -> None:
    async with connected(adapter.owner_url) as connection:
        query = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert await connection.fetchval(query) is False


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE mine (x int)",
        "DROP TABLE notes",
        "ALTER TABLE marks DISABLE TRIGGER ALL",
        "SET session_replication_role = 'replica'",
    ],
)
async def test_the_run_role_cannot_change_what_holds_it(run: Any, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run.execute(statement)


async def test_nobody_sees_rows_without_a_tenant(run: Any) -> None:
    async with run.transaction():
        await run.execute("SELECT set_config('callward.tenant', 'mercy', true)")
        await run.execute("INSERT INTO notes VALUES ('mercy', 'x', 1)")
        assert await run.fetchval("SELECT count(*) FROM notes") == 1
    assert await run.fetchval("SELECT count(*) FROM notes") == 0


async def test_times_and_bytes_come_back_as_they_went_in(run: Any) -> None:
    moment = datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC)
    assert await run.fetchval("SELECT $1::timestamptz", moment) == moment
    assert await run.fetchval("SELECT $1::bytea", bytes(range(256))) == bytes(range(256))


async def test_transaction_ids_show_what_is_still_open(migrated: DatabaseUrls, run: Any) -> None:
    """The guard of the outbox: an open transaction holds back what began at the same time or later."""
    settled = "SELECT $1::text::xid8 < pg_snapshot_xmin(pg_current_snapshot())"
    async with connected(migrated.run_url) as other:
        async with other.transaction():
            xid = await other.fetchval("SELECT pg_current_xact_id()::text")
            assert await run.fetchval(settled, xid) is False
        assert await run.fetchval(settled, xid) is True


async def test_an_advisory_lock_is_its_sessions(migrated: DatabaseUrls, run: Any) -> None:
    first, second = int(uuid4().int % 2**31), 7
    async with connected(migrated.run_url) as other:
        assert await other.fetchval("SELECT pg_try_advisory_lock($1, $2)", first, second)
        assert not await run.fetchval("SELECT pg_try_advisory_lock($1, $2)", first, second)
    assert await run.fetchval("SELECT pg_advisory_lock($1, $2) IS NOT NULL", first, second)


async def test_a_statement_sees_what_was_committed_before_it(migrated: DatabaseUrls) -> None:
    """The relay takes a lock and then looks: its look must not be older than the lock."""
    db = Database.connect(migrated.run_url, producer="contract", clock=SystemClock())
    async with db.transaction() as transaction:
        level = await transaction.connection.exec_driver_sql("SHOW transaction_isolation")
        assert level.scalar_one() == "read committed"
    await db.close()
