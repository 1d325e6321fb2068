"""The use case over ports in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callward.retention.v1 import retention_planner_service_pb2 as pb
from callward_common.identity import service_actor
from callward_common.ids import new_id
from callward_retention.app import RetentionApp
from callward_retention.domain.errors import DateInFuture, UnknownTenant
from callward_retention.domain.model import AgeGroup, Plan
from callward_retention.events import to_message
from callward_retention.grpc_api import AGE_GROUPS
from callward_retention.holders import TenantHolders
from callward_retention.law.table import shipped_table
from callward_retention.ports import Planned
from tests.support.clock import ManualClock
from tests.support.tenants import MERCY, SUSPENDED, StaticTenantDirectory

INGEST = service_actor("ingest")
TOLERANCE = timedelta(minutes=5)


class MemoryPlans:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, Planned]] = []

    async def add(self, tenant_id: str, event: Planned) -> None:
        self.kept.append((tenant_id, event))


class World:
    """The app, and what is around it."""

    def __init__(self) -> None:
        self.plans, self.tenants, self.clock = MemoryPlans(), StaticTenantDirectory(), ManualClock()
        holders = TenantHolders(self.tenants)
        self.app = RetentionApp(self.plans, holders, shipped_table(), self.clock, future_tolerance=TOLERANCE)

    async def plan(self, tenant: str = MERCY.tenant_id, start: datetime | None = None) -> Plan:
        moment = start or self.clock.now()
        return await self.app.plan(INGEST, tenant, new_id(), moment, AgeGroup.adult)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_plan_is_kept_and_told_as_it_was_given(world: World) -> None:
    plan = await world.plan()
    assert world.plans.kept == [(MERCY.tenant_id, Planned(INGEST, plan))]
    message = to_message(world.plans.kept[0][1])
    assert (message.actor.id, message.call_id) == ("ingest", plan.call_id)
    assert (message.plan.years, message.plan.citation) == (7, "22 Cal. Code Regs. § 70751")
    assert (message.plan.law_trigger, message.plan.clock_event) == ("discharge", "end_of_call")
    assert message.plan.retain_until.ToDatetime(tzinfo=UTC) == plan.retain_until
    assert message.plan.delete_after.ToDatetime(tzinfo=UTC) == plan.delete_after
    assert message.plan.retain_until != message.plan.delete_after
    assert message.plan.jurisdiction == "CA"


async def test_the_plan_follows_the_tenants_policy_of_the_moment(world: World) -> None:
    world.tenants.records[MERCY.tenant_id] = replace(
        MERCY, version=9, retain_years=15, delete_after_days=60, entity_type="physician", home_state="NY"
    )
    plan = await world.plan()
    assert (plan.years, plan.row.jurisdiction, plan.policy_version[:8]) == (15, "US", "policy/9")
    assert plan.delete_after - plan.retain_until == timedelta(days=60)


@pytest.mark.parametrize("tenant", ["nobody", "", SUSPENDED.tenant_id])
async def test_nothing_is_planned_for_an_unknown_or_suspended_tenant(world: World, tenant: str) -> None:
    with pytest.raises(UnknownTenant):
        await world.plan(tenant)
    assert world.plans.kept == []


async def test_a_clock_that_starts_in_the_future_is_refused(world: World) -> None:
    limit = world.clock.now() + TOLERANCE
    await world.plan(start=limit)
    with pytest.raises(DateInFuture):
        await world.plan(start=limit + timedelta(microseconds=1))


def test_every_age_group_of_the_wire_has_a_word_and_none_stated_is_unknown() -> None:
    assert set(AGE_GROUPS) == set(pb.AgeGroup.values())
    assert AGE_GROUPS[pb.AGE_GROUP_UNSPECIFIED] is AgeGroup.unknown
