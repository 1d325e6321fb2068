"""What the database itself refuses of legs, marks and spoken evidence: to the service's role and to the owner."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.integration.ingest.test_marks import CLOCK, mark, taken
from tests.integration.ingest.world import World
from tests.support.tenants import MERCY, OTHER


@pytest.fixture
async def run(ingest: World) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that the service runs as, to a call with a leg, a mark and spoken evidence."""
    call_id = await ingest.opened()
    await taken(await ingest.post(f"/v1/calls/{call_id}/legs", {"legId": "a", "startedAt": CLOCK}))
    await taken(await mark(ingest, call_id, "mask", CLOCK, reason="card-data", legId="a"))
    url = ingest.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    yield connection
    await connection.close()


@pytest.mark.parametrize("table", ["legs", "marks", "spoken"])
async def test_what_was_stated_can_be_changed_by_nobody(
    ingest: World, run: asyncpg.Connection, table: str
) -> None:
    owner = await asyncpg.connect(ingest.owner_url)
    await owner.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    for connection in (run, owner):
        for statement in (
            f"UPDATE {table} SET call_id = call_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
                await connection.execute(statement)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 1
        for nobody in (OTHER.tenant_id, ""):
            await connection.execute("SELECT set_config('callward.tenant', $1, false)", nobody)
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    await owner.close()


async def test_a_row_of_another_tenant_and_a_forged_statement_cannot_be_written(
    run: asyncpg.Connection,
) -> None:
    for table in ("legs", "marks", "spoken"):
        row = await run.fetchrow(f"SELECT * FROM {table}")
        columns = ", ".join(row.keys())
        values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        changed = [OTHER.tenant_id if name == "tenant_id" else value for name, value in row.items()]
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await run.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", *changed)
    with pytest.raises(asyncpg.CheckViolationError):
        await run.execute(
            "INSERT INTO marks SELECT tenant_id, call_id, 2, gen_random_uuid(), kind, at, until, leg_id, reason,"
            " received_at, event_id, 'forged', statement_sha256 FROM marks"
        )
