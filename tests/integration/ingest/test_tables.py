"""What the database itself refuses, to the service's own role and to the owner of the tables."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.integration.ingest.world import World
from tests.support.tenants import MERCY, OTHER

TABLES = ("calls", "pseudonyms", "recordings", "manifests", "idempotency")


@pytest.fixture
async def filled(ingest: World) -> World:
    call_id = await ingest.opened()
    assert (await ingest.upload(call_id)).status_code == 201
    return ingest


@pytest.fixture
async def run(filled: World) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that the service runs as."""
    url = filled.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def as_tenant(connection: asyncpg.Connection, tenant: str) -> None:
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)


@pytest.mark.parametrize("table", TABLES)
async def test_rows_are_seen_by_their_tenant_alone(
    run: asyncpg.Connection, filled: World, table: str
) -> None:
    for connection in (run, await asyncpg.connect(filled.owner_url)):
        await as_tenant(connection, MERCY.tenant_id)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") > 0
        for nobody in (OTHER.tenant_id, ""):
            await as_tenant(connection, nobody)
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    await connection.close()


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_of_another_tenant_cannot_be_written(run: asyncpg.Connection, table: str) -> None:
    await as_tenant(run, MERCY.tenant_id)
    row = await run.fetchrow(f"SELECT * FROM {table}")
    columns = ", ".join(row.keys())
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    changed = [OTHER.tenant_id if name == "tenant_id" else value for name, value in row.items()]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await run.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", *changed)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE manifests SET manifest = 'x', sha256 = sha256('x')",
        "DELETE FROM manifests",
        "TRUNCATE manifests",
        "UPDATE recordings SET receipt = 'forged'",
        "UPDATE recordings SET manifest_sha256 = 'x'",
        "UPDATE recordings SET state = 'receiving'",
        "UPDATE recordings SET state = 'abandoned'",
        "UPDATE recordings SET reasons = '{x}', state = 'quarantined'",
        "UPDATE calls SET document = 'x'",
        "UPDATE calls SET queue = 'other'",
        "UPDATE pseudonyms SET pseudonym = 'x'",
    ],
)
async def test_what_is_sealed_never_changes(run: asyncpg.Connection, filled: World, statement: str) -> None:
    owner = await asyncpg.connect(filled.owner_url)
    for connection in (run, owner):
        await as_tenant(connection, MERCY.tenant_id)
        if connection is owner and statement.startswith("UPDATE pseudonyms"):
            continue
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await connection.execute(statement)
    await owner.close()


@pytest.mark.parametrize("table", ["calls", "pseudonyms", "recordings", "manifests"])
async def test_the_service_deletes_nothing(run: asyncpg.Connection, table: str) -> None:
    await as_tenant(run, MERCY.tenant_id)
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
            await run.execute(statement)


async def test_a_call_ends_once_in_the_database_too(run: asyncpg.Connection) -> None:
    await as_tenant(run, MERCY.tenant_id)
    await run.execute("UPDATE calls SET ended_at = now()")
    with pytest.raises(asyncpg.RestrictViolationError):
        await run.execute("UPDATE calls SET ended_at = NULL")


async def test_a_recording_is_not_kept_half(run: asyncpg.Connection) -> None:
    await as_tenant(run, MERCY.tenant_id)
    await run.execute(
        "INSERT INTO recordings (tenant_id, recording_id, call_id, queue, state, reasons, object_key, started_at)"
        " SELECT tenant_id, gen_random_uuid(), call_id, queue, 'receiving', '{}', 'xx/xx', now() FROM calls"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await run.execute("UPDATE recordings SET state = 'sealed' WHERE object_key = 'xx/xx'")


async def test_a_manifest_has_its_hash(run: asyncpg.Connection) -> None:
    await as_tenant(run, MERCY.tenant_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await run.execute(
            "INSERT INTO manifests SELECT tenant_id, recording_id, 2, manifest, 'x', object_key, object_version"
            " FROM manifests"
        )
