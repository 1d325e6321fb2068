"""Migrations: all or nothing, twice is once, and what the roles may do afterwards."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callward_common.db import Database
from callward_common.db.migrate import upgrade
from callward_common.db.tables import metadata
from tests.integration.common_data.conftest import SAMPLE

COMMANDS = ("UPDATE marks SET value = 2", "DELETE FROM marks", "TRUNCATE marks")


async def table_names(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {
            row[0]
            for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")
        }
    finally:
        await connection.close()


async def test_a_second_run_changes_nothing(urls: Any, db: Database) -> None:
    async with db.transaction("mercy") as transaction:
        await transaction.connection.execute(text("INSERT INTO notes VALUES ('mercy', 'x', 1)"))
    await upgrade(urls.owner_url, SAMPLE, run_role=urls.run_role)
    async with db.transaction("mercy") as transaction:
        assert await transaction.connection.scalar(text("SELECT count(*) FROM notes")) == 1


async def test_two_at_once_run_one_after_the_other(empty: Any) -> None:
    await asyncio.gather(*(upgrade(empty.owner_url, SAMPLE, run_role=empty.run_role) for _ in range(3)))
    assert {*metadata.tables, "notes", "marks"} < await table_names(empty.owner_url)


async def test_a_migration_that_fails_leaves_nothing(empty: Any) -> None:
    with pytest.raises(DBAPIError, match='role "nobody-of-that-name" does not exist'):
        await upgrade(empty.owner_url, SAMPLE, run_role="nobody-of-that-name")
    assert await table_names(empty.owner_url) == set()


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_append_only_table_refuses_the_run_role(db: Database, command: str) -> None:
    async with db.transaction("mercy") as transaction:
        await transaction.connection.execute(text("INSERT INTO marks VALUES ('mercy', 'x', 1)"))
    with pytest.raises(
        DBAPIError, match=rf"table marks is append-only: {command.split(maxsplit=1)[0]} is refused"
    ):
        async with db.transaction("mercy") as transaction:
            await transaction.connection.execute(text(command))
    async with db.transaction("mercy") as transaction:
        assert await transaction.connection.scalar(text("SELECT value FROM marks")) == 1


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_append_only_table_refuses_its_owner(owner: Any, command: str) -> None:
    await owner.execute("SET callward.tenant = 'mercy'")
    await owner.execute("INSERT INTO marks VALUES ('mercy', 'x', 1)")
    with pytest.raises(asyncpg.RestrictViolationError, match="table marks is append-only"):
        await owner.execute(command)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (x int)",
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE marks DISABLE TRIGGER ALL",
        "DROP POLICY tenant_isolation ON notes",
        "UPDATE outbox SET data = ''",
        "UPDATE outbox SET enforced = false",
        "DELETE FROM inbox",
        "DELETE FROM dead_letters",
        "UPDATE dead_letters SET cause = ''",
        "DELETE FROM outbox_state",
        "TRUNCATE outbox",
    ],
)
async def test_what_the_run_role_may_not_do(db: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        async with db.transaction() as transaction:
            await transaction.connection.execute(text(statement))


async def test_the_state_of_the_outbox_is_one_row(owner: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="outbox_state_one_row"):
        await owner.execute("INSERT INTO outbox_state VALUES (false, 0, 0)")
