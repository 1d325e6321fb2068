"""The use case of retention: plan."""

from datetime import datetime, timedelta

from callward_common.clock import Clock
from callward_common.identity import Actor
from callward_common.ids import new_id
from callward_retention.domain import policy
from callward_retention.domain.errors import DateInFuture, UnknownTenant
from callward_retention.domain.model import AgeGroup, LawTable, Plan
from callward_retention.ports import Holders, Planned, Plans


class RetentionApp:
    """Plans from the tenant's policy and the law's table."""

    def __init__(
        self, plans: Plans, holders: Holders, law: LawTable, clock: Clock, *, future_tolerance: timedelta
    ) -> None:
        self._plans = plans
        self._holders = holders
        self._law = law
        self._clock = clock
        self._future_tolerance = future_tolerance

    async def plan(
        self, actor: Actor, tenant_id: str, call_id: str, clock_start: datetime, age_group: AgeGroup
    ) -> Plan:
        """Plan how long the recording of a call is kept. Raises DateInFuture, UnknownTenant."""
        if clock_start > self._clock.now() + self._future_tolerance:
            raise DateInFuture("the clock starts further in the future than clocks may differ")
        holder = await self._holders.holder(tenant_id)
        if holder is None:
            raise UnknownTenant("the tenant is not known or not active")
        plan = policy.plan(self._law, holder, age_group, clock_start, plan_id=new_id(), call_id=call_id)
        await self._plans.add(tenant_id, Planned(actor, plan))
        return plan
