"""What the database itself refuses about webhooks, to the service's own role."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from callward_ingest.domain.webhooks import WebhookEvent
from tests.integration.ingest.webhook_rig import OTHER, TENANT, Rig, rig
from tests.support.postgres import PostgresServer

APART = ("webhooks", "webhook_deliveries")


@pytest.fixture
async def filled(postgres: PostgresServer) -> AsyncIterator[Rig]:
    async with rig(postgres) as made:
        await made.register("http://127.0.0.1:9/", events=(WebhookEvent.upload_abandoned,))
        await made.happens()
        yield made


@pytest.fixture
async def run(filled: Rig) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that the service runs as."""
    url = filled.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def as_tenant(connection: asyncpg.Connection, tenant: str) -> None:
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)


@pytest.mark.parametrize("table", APART)
async def test_rows_are_seen_and_written_by_their_tenant_alone(
    run: asyncpg.Connection, filled: Rig, table: str
) -> None:
    owner = await asyncpg.connect(filled.owner_url)
    for connection in (run, owner):
        for tenant, count in ((TENANT, 1), (OTHER, 0), ("", 0)):
            await as_tenant(connection, tenant)
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == count
    await owner.close()
    await as_tenant(run, TENANT)
    row = await run.fetchrow(f"SELECT * FROM {table}")
    columns = ", ".join(row.keys())
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    theirs = [OTHER if name == "tenant_id" else value for name, value in row.items()]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await run.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", *theirs)


async def test_the_work_list_holds_ids_and_times_alone(run: asyncpg.Connection) -> None:
    """It is not apart by tenant, so that the sender sees the work of all: nothing else may ever stand in it."""
    columns = await run.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'webhook_work'"
    )
    assert {row["column_name"] for row in columns} == {
        "delivery_id",
        "tenant_id",
        "webhook_id",
        "purpose",
        "due_at",
        "lease",
    }


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM webhooks",
        "TRUNCATE webhooks",
        "UPDATE webhooks SET webhook_id = gen_random_uuid()",
        "UPDATE webhooks SET created_at = now()",
        "UPDATE webhook_deliveries SET body = 'x'",
        "UPDATE webhook_deliveries SET event_id = gen_random_uuid()",
        "UPDATE webhook_deliveries SET webhook_id = gen_random_uuid()",
        "TRUNCATE webhook_deliveries",
        "UPDATE webhook_work SET tenant_id = 'x'",
        "UPDATE webhook_work SET webhook_id = gen_random_uuid()",
    ],
)
async def test_what_never_changes(run: asyncpg.Connection, statement: str) -> None:
    await as_tenant(run, TENANT)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run.execute(statement)


async def test_versions_of_a_secret_only_grow_and_a_removed_webhook_stays_removed(
    run: asyncpg.Connection, filled: Rig
) -> None:
    owner = await asyncpg.connect(filled.owner_url)
    for connection in (run, owner):
        await as_tenant(connection, TENANT)
        await connection.execute("UPDATE webhooks SET secret_version = secret_version + 1")
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("UPDATE webhooks SET secret_version = secret_version - 1")
    await run.execute("UPDATE webhooks SET removed_at = now(), active = false")
    for connection in (run, owner):
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("UPDATE webhooks SET removed_at = NULL")
    await owner.close()


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO webhooks SELECT tenant_id, gen_random_uuid(), url, events, description, active,
           created_at, 0 FROM webhooks""",
        "UPDATE webhooks SET disabled_reason = 'gone'",
        "UPDATE webhook_deliveries SET next_attempt_at = NULL",
        "UPDATE webhook_deliveries SET state = 'delivered'",
        "UPDATE webhook_work SET purpose = 'other'",
    ],
)
async def test_rows_that_cannot_be(run: asyncpg.Connection, statement: str) -> None:
    await as_tenant(run, TENANT)
    with pytest.raises(asyncpg.CheckViolationError):
        await run.execute(statement)
