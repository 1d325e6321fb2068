"""The retention service over gRPC."""

from datetime import datetime

from callward.retention.v1 import retention_planner_service_pb2 as planner_pb2
from callward.retention.v1 import retention_planner_service_pb2_grpc as planner_grpc
from callward_common.grpc.client import Channels
from callward_ingest.domain.calls import AgeGroup
from callward_ingest.domain.decisions import Plan
from callward_ingest.neighbours.errors import translated
from callward_ingest.translate import from_timestamp, to_timestamp

_CALLEE = "retention"
_AGES = {
    AgeGroup.unspecified: planner_pb2.AGE_GROUP_UNSPECIFIED,
    AgeGroup.adult: planner_pb2.AGE_GROUP_ADULT,
    AgeGroup.minor: planner_pb2.AGE_GROUP_MINOR,
}


class GrpcPlanner:
    """Retention plans over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def plan(self, tenant: str, call_id: str, clock_start: datetime, age_group: AgeGroup) -> Plan:
        """Returns how long what belongs to the call is kept."""
        stub: planner_grpc.RetentionPlannerAsyncStub = planner_grpc.RetentionPlannerStub(
            self._channels.channel(_CALLEE)
        )
        request = planner_pb2.PlanRequest(
            tenant_id=tenant,
            call_id=call_id,
            clock_start=to_timestamp(clock_start),
            age_group=_AGES[age_group],
        )
        with translated(_CALLEE):
            plan = (await stub.Plan(request)).plan
        return Plan(
            retention_class=plan.retention_class,
            retain_until=from_timestamp(plan.retain_until),
            delete_after=from_timestamp(plan.delete_after),
            citation=plan.citation,
            policy_version=plan.policy_version,
        )
