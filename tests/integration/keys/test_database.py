"""What the database itself holds to, whatever the service above it does."""

import itertools
from typing import Any

import asyncpg
import pytest

from callward_common.ids import new_id
from tests.integration.keys.scene import MANIFEST, TENANT, Scene, abandon, seal
from tests.support.postgres import ServiceDatabase
from tests.support.tenants import OTHER

TENANT_TABLES = ("buckets", "data_keys")
STATES = ("open", "sealed", "shred_pending", "destroyed")


async def as_tenant(connection: Any, tenant: str, sql: str, *arguments: object) -> Any:
    async with connection.transaction():
        await connection.execute("SELECT set_config('callward.tenant', $1, true)", tenant)
        return await connection.fetch(sql, *arguments)


@pytest.fixture
async def recording(scene: Scene) -> str:
    made = new_id()
    await scene.issue(made)
    return made


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_rows_are_their_tenants(scene: Scene, run: Any, owner: Any, recording: str, table: str) -> None:
    count = f"SELECT count(*) FROM {table}"
    for connection in (run, owner):
        assert await connection.fetchval(count) == 0
        for tenant, rows in ((TENANT, 1), (OTHER.tenant_id, 0), (TENANT, 1), ("", 0)):
            assert (await as_tenant(connection, tenant, count))[0][0] == rows
        assert await connection.fetchval(count) == 0


async def test_a_row_is_not_written_for_another_tenant(scene: Scene, run: Any, recording: str) -> None:
    insert = "INSERT INTO buckets VALUES ($1, $2, 'c', '2033-11', 9, 'k', 0)"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_tenant(run, OTHER.tenant_id, insert, new_id(), TENANT)
    assert await as_tenant(run, TENANT, insert, new_id(), TENANT) == []


async def test_every_table_with_a_tenant_has_row_level_security(opened: ServiceDatabase, owner: Any) -> None:
    found = await owner.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
        " WHERE c.relkind = 'r' AND c.relrowsecurity AND c.relforcerowsecurity ORDER BY 1"
    )
    assert [row[0] for row in found] == sorted(TENANT_TABLES)


async def test_a_state_only_moves_down(scene: Scene, run: Any, owner: Any) -> None:
    for old, new in itertools.product(STATES, STATES):
        subject = new_id()
        await scene.issue(subject)
        await as_tenant(
            owner,
            TENANT,
            "UPDATE data_keys SET state = $1, manifest_sha256 = $2, sealed_at = now(), wrap_version = '1'"
            " WHERE $1 <> 'open' AND subject_id = $3",
            old,
            MANIFEST,
            subject,
        )
        update = "UPDATE data_keys SET state = $1 WHERE subject_id = $2 RETURNING state"
        if STATES.index(new) < STATES.index(old):
            for connection in (run, owner):
                with pytest.raises(asyncpg.RestrictViolationError):
                    await as_tenant(connection, TENANT, update, new, subject)
        elif (old, new) == ("open", "sealed"):
            with pytest.raises(asyncpg.CheckViolationError):
                await as_tenant(run, TENANT, update, new, subject)
        else:
            assert (await as_tenant(run, TENANT, update, new, subject))[0][0] == new


@pytest.mark.parametrize(
    "change",
    [
        "manifest_sha256 = decode(repeat('ff', 32), 'hex')",
        "manifest_sha256 = NULL",
        "sealed_at = now() + interval '1 day'",
        "last_opened_at = NULL",
        "last_opened_at = last_opened_at - interval '1 second'",
    ],
)
async def test_what_is_set_stays(scene: Scene, run: Any, owner: Any, recording: str, change: str) -> None:
    await scene.issuer.SealDataKey(seal(recording))
    await as_tenant(run, TENANT, "UPDATE data_keys SET last_opened_at = now()")
    for connection in (run, owner):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_tenant(connection, TENANT, f"UPDATE data_keys SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "commitment = decode(repeat('ff', 32), 'hex')",
        "upload_secret_sha256 = decode(repeat('ff', 32), 'hex')",
        "subject_kind = 'call'",
        "open_until = now() + interval '9 years'",
        "not_before = not_before - interval '1 day'",
    ],
)
async def test_what_a_key_is_never_changes(
    scene: Scene, run: Any, owner: Any, recording: str, change: str
) -> None:
    update = f"UPDATE data_keys SET {change}"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_tenant(run, TENANT, update)
    with pytest.raises(asyncpg.RestrictViolationError):
        await as_tenant(owner, TENANT, update)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE data_keys SET wrap = 'vault:v1:AAAA'",
        "DELETE FROM data_keys",
        "TRUNCATE data_keys",
        "UPDATE buckets SET transit_key = 'another'",
        "DELETE FROM buckets",
        "TRUNCATE buckets CASCADE",
    ],
)
async def test_the_service_cannot_lose_a_wrap(scene: Scene, run: Any, recording: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await as_tenant(run, TENANT, statement)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE signing_keys SET public_key = public_key", "DELETE FROM signing_keys", "TRUNCATE signing_keys"],
)
async def test_the_history_of_signing_keys_only_grows(
    scene: Scene, run: Any, owner: Any, statement: str
) -> None:
    await owner.execute(
        "INSERT INTO signing_keys VALUES ('k', 'receipt', 1, decode(repeat('00', 32), 'hex'), now())"
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(statement)


@pytest.mark.parametrize(
    ("statement", "run_refusal"),
    [
        ("UPDATE checkpoints SET size = 4", asyncpg.RestrictViolationError),
        ("UPDATE checkpoints SET root = decode(repeat('ff', 32), 'hex')", asyncpg.RestrictViolationError),
        ("UPDATE checkpoints SET size = 9, origin = 'b/c'", asyncpg.RestrictViolationError),
        ("DELETE FROM checkpoints", asyncpg.InsufficientPrivilegeError),
        ("TRUNCATE checkpoints", asyncpg.InsufficientPrivilegeError),
    ],
)
async def test_a_checkpoint_only_grows(
    scene: Scene, run: Any, owner: Any, statement: str, run_refusal: type[Exception]
) -> None:
    await owner.execute(
        "INSERT INTO checkpoints VALUES ('a/b', 5, decode(repeat('00', 32), 'hex'), 'note', 'key')"
    )
    with pytest.raises(run_refusal):
        await run.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(statement)
    await run.execute("UPDATE checkpoints SET size = 6")


async def test_one_commitment_is_registered_once_whatever_the_tenant(
    scene: Scene, owner: Any, recording: str
) -> None:
    await scene.issuer.AbandonDataKey(abandon(recording))
    columns = (
        "wrap, commitment, state, upload_secret_sha256, open_until, not_before, issued_at, manifest_sha256,"
        " wrap_version, sealed_at, shred_reason, last_opened_at"
    )
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await as_tenant(
            owner,
            TENANT,
            f"INSERT INTO data_keys SELECT gen_random_uuid(), tenant_id, 'call', subject_id, bucket_id, {columns}"
            " FROM data_keys",
        )
    assert caught.value.constraint_name == "data_keys_commitment_once"
