"""RetentionPlanner.Plan over mutual TLS on a real database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from callward.retention.v1 import retention_planner_service_pb2 as pb
from callward.retention.v1.events_pb2 import RetentionPlanned
from callward_common.errors import CallwardError, Category
from callward_common.ids import new_id
from callward_retention.store import PLANS
from tests.integration.retention.conftest import Running
from tests.support.clock import START
from tests.support.tenants import MERCY, OTHER, SUSPENDED


def asking(
    tenant: str = MERCY.tenant_id,
    age: int = pb.AGE_GROUP_ADULT,
    start: datetime = START,
    call_id: str | None = None,
) -> pb.PlanRequest:
    message = pb.PlanRequest(
        tenant_id=tenant,
        call_id=new_id() if call_id is None else call_id,
        age_group=pb.AgeGroup.ValueType(age),
    )
    message.clock_start.FromDatetime(start)
    return message


async def plan(retention: Running, asked: pb.PlanRequest) -> pb.Plan:
    answer: pb.PlanResponse = await retention.planner().Plan(asked)
    return answer.plan


async def refused(retention: Running, asked: pb.PlanRequest, type_: str) -> None:
    with pytest.raises(CallwardError) as caught:
        await retention.planner().Plan(asked)
    assert caught.value.type == type_


async def test_a_californian_hospital_keeps_an_adults_call_for_seven_years(retention: Running) -> None:
    made = await plan(retention, asking())
    assert (made.years, made.citation, made.jurisdiction) == (7, "22 Cal. Code Regs. § 70751", "CA")
    assert made.retain_until.ToDatetime(UTC) == START.replace(year=START.year + 7)
    assert made.delete_after.ToDatetime(UTC) == START.replace(year=START.year + 7) + timedelta(days=30)
    assert (made.retention_class, list(made.basis)) == ("medical-record-adult", ["law-adult"])
    assert (made.law_trigger, made.clock_event) == ("discharge", "end_of_call")
    assert made.rule_text.startswith("7 years following discharge")
    assert made.policy_version == "policy/1+law/2026-11"


async def test_minors_and_unknown_ages_are_kept_longer(retention: Running) -> None:
    minor = await plan(retention, asking(age=pb.AGE_GROUP_MINOR))
    unknown = await plan(retention, asking(age=pb.AGE_GROUP_UNSPECIFIED))
    assert minor.years == unknown.years == 19
    assert list(unknown.basis) == ["law-minor", "age-unknown-longest"]


async def test_the_tenants_policy_is_followed_from_the_register(retention: Running) -> None:
    changed = replace(MERCY, version=2, retain_years=25, delete_after_days=45, home_state="WY")
    await retention.provision(changed)
    made = await plan(retention, asking())
    assert (made.years, made.jurisdiction) == (25, "MA")
    assert list(made.basis) == ["law-adult", "longest-of-kind", "tenant-lengthened"]
    assert made.policy_version == "policy/2+law/2026-11"
    assert made.delete_after.ToDatetime() - made.retain_until.ToDatetime() == timedelta(days=45)


async def test_an_older_version_of_a_tenant_changes_nothing(retention: Running) -> None:
    await retention.provision(replace(MERCY, version=5, retain_years=12))
    await retention.provision(replace(MERCY, version=4, retain_years=50))
    assert (await plan(retention, asking())).years == 12


@pytest.mark.parametrize("tenant", ["nobody", "", SUSPENDED.tenant_id])
async def test_nothing_is_planned_for_an_unknown_or_suspended_tenant(
    retention: Running, owner: Any, tenant: str
) -> None:
    await refused(retention, asking(tenant), "unknown-tenant")
    assert await owner.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_is_absent_or_impossible_is_refused(retention: Running) -> None:
    for bad in ("", "not-an-id", "x" * 100_000, "a\x00"):
        await refused(retention, asking(call_id=bad), "invalid-request")
    absent = pb.PlanRequest(tenant_id=MERCY.tenant_id, call_id=new_id())
    await refused(retention, absent, "invalid-request")
    for stamp in (Timestamp(seconds=9 * 10**18), Timestamp(seconds=1, nanos=-1), Timestamp(seconds=-1)):
        impossible = pb.PlanRequest(tenant_id=MERCY.tenant_id, call_id=new_id(), clock_start=stamp)
        await refused(retention, impossible, "invalid-request")
    strange = asking()
    strange.age_group = pb.AgeGroup.ValueType(99)
    await refused(retention, strange, "invalid-request")
    await refused(retention, asking(start=START + timedelta(minutes=6)), "date-in-future")
    await plan(retention, asking(start=START + timedelta(minutes=5)))


async def test_only_ingest_may_ask(retention: Running) -> None:
    for caller in ("access-gateway", "audit", "consent", "key-management", "operator"):
        with pytest.raises(CallwardError) as caught:
            await retention.planner(caller).Plan(asking())
        assert (caught.value.type, caught.value.category) == ("caller-not-allowed", Category.forbidden)


async def test_a_plan_is_kept_and_told_in_one_transaction(
    retention: Running, owner: Any, run_role: Any
) -> None:
    asked = asking(age=pb.AGE_GROUP_UNSPECIFIED)
    made = await plan(retention, asked)
    (event,) = await owner.fetch("SELECT type, key, tenant_id, topic, enforced, data FROM outbox")
    assert (event["type"], event["topic"]) == (
        "callward.retention.v1.RetentionPlanned",
        "callward.retention.v1",
    )
    assert (event["key"], event["tenant_id"], event["enforced"]) == (asked.call_id, MERCY.tenant_id, False)
    told = RetentionPlanned.FromString(event["data"])
    assert (told.actor.id, told.call_id, told.plan) == ("ingest", asked.call_id, made)
    await as_tenant(run_role, MERCY.tenant_id)
    (row,) = await run_role.fetch("SELECT * FROM plans")
    assert (str(row["plan_id"]), str(row["call_id"])) == (made.plan_id, asked.call_id)
    assert (row["years"], row["basis"]) == (made.years, list(made.basis))
    assert row["retain_until"] == made.retain_until.ToDatetime(UTC)
    assert row["delete_after"] == made.delete_after.ToDatetime(UTC)


@pytest.mark.parametrize(("role", "sqlstate"), [("run", "42501"), ("owner", "23001")])
async def test_plans_are_append_only(
    retention: Running, owner: Any, run_role: Any, role: str, sqlstate: str
) -> None:
    session = {"owner": owner, "run": run_role}[role]
    await plan(retention, asking())
    await as_tenant(session, MERCY.tenant_id)
    for statement in ("UPDATE plans SET years = 1", "DELETE FROM plans", "TRUNCATE plans CASCADE"):
        with pytest.raises(asyncpg.PostgresError) as caught:
            await session.execute(statement)
        assert caught.value.sqlstate == sqlstate, statement
    assert await session.fetchval("SELECT years FROM plans") == 7


async def test_tenants_take_turns_on_one_connection_and_stay_apart(retention: Running, run_role: Any) -> None:
    for _ in range(3):
        assert (await plan(retention, asking(MERCY.tenant_id))).jurisdiction == "CA"
        assert (await plan(retention, asking(OTHER.tenant_id))).citation == "42 CFR 424.516(f)"
    await asyncio.gather(
        *(plan(retention, asking(tenant)) for tenant in (MERCY.tenant_id, OTHER.tenant_id) * 4)
    )
    assert await run_role.fetchval("SELECT count(*) FROM plans") == 0  # no tenant set
    for tenant in (MERCY.tenant_id, OTHER.tenant_id):
        await as_tenant(run_role, tenant)
        assert {row["tenant_id"] for row in await run_role.fetch("SELECT tenant_id FROM plans")} == {tenant}
        assert await run_role.fetchval("SELECT count(*) FROM plans") == 7
    columns = ", ".join(column.name for column in PLANS.columns if column.name != "tenant_id")
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        await run_role.execute(
            f"INSERT INTO plans (tenant_id, {columns}) SELECT '{MERCY.tenant_id}', {columns} FROM plans"
        )


async def test_every_table_with_rows_of_tenants_is_among_those_tested(retention: Running, owner: Any) -> None:
    found = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND relforcerowsecurity"
        " AND relnamespace = 'public'::regnamespace"
    )
    assert [row["relname"] for row in found] == ["plans"]
    columns = await owner.fetch(
        "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = 'plans'"
    )
    assert {row["column_name"]: row["is_nullable"] == "YES" for row in columns} == {
        column.name: column.nullable for column in PLANS.columns
    }


async def as_tenant(session: Any, tenant: str) -> None:
    await session.execute("SELECT set_config('callward.tenant', $1, false)", tenant)
