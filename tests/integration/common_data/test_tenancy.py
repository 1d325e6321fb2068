"""Row-level security, as the run role and as the owner, with one pooled connection and alternating tenants."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callward_common.db import Database, Transaction
from tests.support.clock import ManualClock

INSERT = text("INSERT INTO notes (tenant_id, name, value) VALUES (:tenant, :name, 1)")


@pytest.fixture(params=["run", "owner"])
async def single(request: pytest.FixtureRequest, urls: Any, clock: ManualClock) -> AsyncIterator[Database]:
    """A database with one connection, as either role."""
    url = urls.run_url if request.param == "run" else urls.owner_url
    database = Database.connect(url, producer="access-gateway", clock=clock, pool_size=1)
    yield database
    await database.close()


async def seen(transaction: Transaction) -> list[str]:
    return list(await transaction.connection.scalars(text("SELECT name FROM notes ORDER BY name")))


async def test_each_transaction_sees_its_tenant_only(single: Database) -> None:
    for round_ in range(3):
        for tenant in ("mercy", "other"):
            async with single.transaction(tenant) as transaction:
                await transaction.connection.execute(INSERT, {"tenant": tenant, "name": f"{tenant}-{round_}"})
                assert await seen(transaction) == [f"{tenant}-{n}" for n in range(round_ + 1)]
        async with single.transaction() as transaction:
            assert await seen(transaction) == []


async def test_a_connection_that_never_had_a_tenant_sees_nothing(single: Database, owner: Any) -> None:
    await owner.execute("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY")
    await owner.execute("INSERT INTO notes VALUES ('', 'nobody', 1), ('mercy', 'somebody', 1)")
    await owner.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")
    async with single.engine.connect() as connection:
        assert (await connection.execute(text("SELECT * FROM notes"))).all() == []
    for _ in range(2):
        async with single.transaction() as transaction:
            assert await seen(transaction) == []


async def test_another_tenants_row_cannot_be_written_changed_or_deleted(single: Database) -> None:
    async with single.transaction("other") as transaction:
        await transaction.connection.execute(INSERT, {"tenant": "other", "name": "x"})
    with pytest.raises(DBAPIError, match="row-level security"):
        async with single.transaction("mercy") as transaction:
            await transaction.connection.execute(INSERT, {"tenant": "other", "name": "y"})
    async with single.transaction("mercy") as transaction:
        await transaction.connection.execute(INSERT, {"tenant": "mercy", "name": "mine"})
    with pytest.raises(DBAPIError, match="row-level security"):
        async with single.transaction("mercy") as transaction:
            await transaction.connection.execute(text("UPDATE notes SET tenant_id = 'other'"))
    async with single.transaction("mercy") as transaction:
        await transaction.connection.execute(text("DELETE FROM notes WHERE name = 'mine'"))
        for statement in ("UPDATE notes SET value = 2", "DELETE FROM notes"):
            assert (await transaction.connection.execute(text(statement))).rowcount == 0
    with pytest.raises(DBAPIError, match="row-level security"):
        async with single.transaction() as transaction:
            await transaction.connection.execute(INSERT, {"tenant": "", "name": "nobody's"})


async def test_a_failed_transaction_leaves_no_tenant_behind(single: Database) -> None:
    async with single.transaction("mercy") as transaction:
        await transaction.connection.execute(INSERT, {"tenant": "mercy", "name": "x"})
    with pytest.raises(ZeroDivisionError):
        async with single.transaction("mercy"):
            raise ZeroDivisionError
    async with single.transaction() as transaction:
        assert await seen(transaction) == []


async def test_a_tenant_set_for_the_session_does_not_survive(single: Database) -> None:
    async with single.transaction("mercy") as transaction:
        await transaction.connection.execute(INSERT, {"tenant": "mercy", "name": "x"})
        await transaction.connection.execute(text("SET SESSION callward.tenant = 'mercy'"))
    async with single.transaction() as transaction:
        assert await seen(transaction) == []
    async with single.transaction("other") as transaction:
        assert await seen(transaction) == []


async def test_an_empty_tenant_is_refused(single: Database) -> None:
    with pytest.raises(ValueError, match="None means none"):
        async with single.transaction(""):
            pass
