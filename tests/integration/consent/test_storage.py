"""What consent keeps: append-only, apart by tenant, and without the reference of any form."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from callward.consent.v1 import consent_pb2 as pb
from callward.consent.v1.events_pb2 import ConsentDecided, ConsentEvidenceRecorded, ConsentRevoked
from callward_common.errors import CallwardError
from callward_common.ids import new_id
from callward_consent.tables import APPEND_ONLY, METADATA
from tests.integration.consent import requests
from tests.integration.consent.conftest import Running
from tests.support.tenants import MERCY, OTHER

Sessions = Callable[[str], Awaitable[Any]]
COLUMNS = {
    "calls": "queue = 'other'",
    "parties": "role = 'other'",
    "evidence": "script_id = 'other'",
    "revocations": "party_id = 'other'",
    "decisions": "outcome = 'permit'",
}


async def lived(consent: Running, tenant: str = MERCY.tenant_id) -> str:
    """Fills every table for one tenant and gives the call's id."""
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call, tenant=tenant))
    for key, evidence in (("told", requests.announcement()), ("form", requests.form())):
        await recorder.RecordEvidence(requests.record(call, evidence, key, tenant=tenant))
    await recorder.RevokeConsent(requests.revoke(call, tenant=tenant))
    return call


async def test_every_table_with_rows_of_tenants_is_among_those_tested(
    consent: Running, sessions: Sessions
) -> None:
    owner = await sessions("owner")
    found = await owner.fetch(
        "SELECT relname, relrowsecurity AND relforcerowsecurity AS apart FROM pg_class"
        " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    apart = {row["relname"] for row in found if row["apart"]}
    assert apart == set(APPEND_ONLY) == set(COLUMNS) == set(METADATA.tables)


@pytest.mark.parametrize("role", ["run", "owner"])
@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_nothing_is_changed_removed_or_emptied(
    consent: Running, sessions: Sessions, table: str, role: str
) -> None:
    await lived(consent)
    session = await sessions(role)
    await session.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    before = await session.fetchval(f"SELECT count(*) FROM {table}")
    assert before > 0
    for statement in (
        f"UPDATE {table} SET {COLUMNS[table]}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await session.execute(statement)
        # 42501: the privilege is missing; 23001: the trigger forbids it to the owner too.
        assert refused.value.sqlstate == ("42501" if role == "run" else "23001"), statement
    assert await session.fetchval(f"SELECT count(*) FROM {table}") == before


async def test_tables_and_migration_name_the_same_columns(consent: Running, sessions: Sessions) -> None:
    owner = await sessions("owner")
    for name, table in METADATA.tables.items():
        rows = await owner.fetch(
            "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = $1", name
        )
        assert {row["column_name"]: row["is_nullable"] == "YES" for row in rows} == {
            column.name: column.nullable for column in table.columns
        }


async def test_tenants_take_turns_on_one_connection_and_never_see_each_other(single: Running) -> None:
    recorder, decider = single.recorder(), single.decider()
    calls = {MERCY.tenant_id: new_id(), OTHER.tenant_id: new_id()}
    for tenant, call in calls.items():
        await recorder.RegisterCall(requests.register(call, tenant=tenant))
    for turn in range(4):
        for tenant, other in ((MERCY.tenant_id, OTHER.tenant_id), (OTHER.tenant_id, MERCY.tenant_id)):
            mine, theirs = calls[tenant], calls[other]
            answer = await recorder.RecordEvidence(
                requests.record(mine, requests.yes(), f"turn-{turn}", tenant=tenant)
            )
            assert len(answer.decision.evidence_ids) == turn + 1
            for foreign in (
                decider.Decide(requests.decide(theirs, tenant=tenant)),
                decider.Decide(requests.decide(theirs, pb.DECISION_USE_PLAYBACK, tenant=tenant)),
                recorder.RecordEvidence(requests.record(theirs, requests.yes(), "x", tenant=tenant)),
                recorder.RevokeConsent(requests.revoke(theirs, "x", tenant=tenant)),
            ):
                with pytest.raises(CallwardError) as refused:
                    await foreign
                assert refused.value.type == "unknown-call"


async def test_the_same_call_id_of_two_tenants_is_two_calls(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    for tenant in (MERCY.tenant_id, OTHER.tenant_id):
        await recorder.RegisterCall(requests.register(call, tenant=tenant))
    await recorder.RecordEvidence(requests.record(call, requests.yes()))
    mine = await consent.decider().Decide(requests.decide(call))
    theirs = await consent.decider().Decide(requests.decide(call, tenant=OTHER.tenant_id))
    assert mine.decision.outcome == pb.DECISION_OUTCOME_PERMIT
    assert theirs.decision.outcome == pb.DECISION_OUTCOME_EVIDENCE_MISSING


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_the_database_itself_shows_and_takes_rows_of_the_tenant_only(
    consent: Running, sessions: Sessions, table: str
) -> None:
    await lived(consent)
    session = await sessions("run")
    assert await session.fetchval(f"SELECT count(*) FROM {table}") == 0  # no tenant set
    await session.execute("SELECT set_config('callward.tenant', $1, false)", OTHER.tenant_id)
    assert await session.fetchval(f"SELECT count(*) FROM {table}") == 0
    await session.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    assert await session.fetchval(f"SELECT count(*) FROM {table}") > 0
    moved = [column.name for column in METADATA.tables[table].columns if column.name != "tenant_id"]
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        await session.execute(
            f"INSERT INTO {table} (tenant_id, {', '.join(moved)})"
            f" SELECT '{OTHER.tenant_id}', {', '.join(moved)} FROM {table}"
        )


async def test_every_step_is_told_once_and_enforced(consent: Running, sessions: Sessions) -> None:
    call = await lived(consent)
    owner = await sessions("owner")
    rows = await owner.fetch("SELECT type, key, tenant_id, topic, enforced, data FROM outbox ORDER BY id")
    kinds = [row["type"].rsplit(".", 1)[1] for row in rows]
    told, decided, revoked = "ConsentEvidenceRecorded", "ConsentDecided", "ConsentRevoked"
    assert kinds == [decided, told, decided, told, decided, revoked, decided]
    assert {(row["key"], row["tenant_id"], row["topic"], row["enforced"]) for row in rows} == {
        (call, MERCY.tenant_id, "callward.consent.v1", True)
    }
    first = ConsentEvidenceRecorded.FromString(rows[1]["data"])
    assert (first.actor.id, first.call_id, first.script_id) == ("ingest", call, "en-recording-notice")
    assert (first.script_version, first.offset.nanos) == ("7", 250_000_000)
    assert ConsentRevoked.FromString(rows[5]["data"]).party_id == "patient"
    outcomes = [ConsentDecided.FromString(rows[n]["data"]).decision.outcome for n in (0, 4, 6)]
    assert outcomes == [
        pb.DECISION_OUTCOME_EVIDENCE_MISSING,
        pb.DECISION_OUTCOME_PERMIT,
        pb.DECISION_OUTCOME_REVOKED,
    ]
    kept = await kept_decisions(await sessions("run"))
    assert kept == [
        (decision.decision_id, decision.policy_version)
        for decision in (ConsentDecided.FromString(rows[n]["data"]).decision for n in (0, 2, 4, 6))
    ]


async def kept_decisions(session: Any) -> list[tuple[str, int]]:
    await session.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    rows = await session.fetch("SELECT decision_id, policy_version FROM decisions ORDER BY decision_id")
    return [(str(row["decision_id"]), row["policy_version"]) for row in rows]


async def test_a_refused_request_leaves_nothing_behind(consent: Running, sessions: Sessions) -> None:
    call = await lived(consent)
    owner = await sessions("owner")
    before = await everything(owner)
    for bad in (
        consent.recorder().RecordEvidence(requests.record(call, requests.yes(), "told")),
        consent.recorder().RecordEvidence(requests.record(call, requests.yes("nobody"), "new")),
        consent.recorder().RegisterCall(requests.register(call, queue="billing")),
        consent.decider().Decide(requests.decide(new_id())),
    ):
        with pytest.raises(CallwardError):
            await bad
    assert await everything(owner) == before


async def test_the_reference_of_a_form_is_nowhere_in_the_database(
    consent: Running, sessions: Sessions
) -> None:
    await lived(consent)
    kept = await everything(await sessions("owner"))
    for known in ("en-recording-notice", "written-form", "patient"):
        assert known in kept
    assert b"en-recording-notice".hex() in kept  # in the outbox, as bytes
    for part in (requests.FORM_REFERENCE, "55501234", "Mary"):
        assert part not in kept
        assert part.encode().hex() not in kept


async def everything(owner: Any) -> str:
    """Gives every row of every table as text, bytes as hexadecimal digits, past row-level security."""
    tables = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    names = [row["tablename"] for row in tables]
    texts: list[str] = []
    async with owner.transaction():
        for name in names:
            await owner.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")
            rows = await owner.fetch(f"SELECT row_to_json(t)::text AS row FROM {name} t ORDER BY 1")
            texts += [f"{name}: {row['row']}" for row in rows]
            if name in APPEND_ONLY:
                await owner.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    return "\n".join(texts)
