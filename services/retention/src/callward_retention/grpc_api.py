"""Retention's gRPC service: request → app → response."""

from datetime import UTC, datetime
from typing import Any

from callward.retention.v1 import retention_planner_service_pb2, retention_planner_service_pb2_grpc
from callward_common.errors import InvalidRequest
from callward_common.grpc.caller import current_caller
from callward_common.identity import service_actor
from callward_common.ids import parse_id
from callward_retention import events
from callward_retention.app import RetentionApp
from callward_retention.domain.model import AgeGroup

AGE_GROUPS = {
    retention_planner_service_pb2.AGE_GROUP_UNSPECIFIED: AgeGroup.unknown,
    retention_planner_service_pb2.AGE_GROUP_ADULT: AgeGroup.adult,
    retention_planner_service_pb2.AGE_GROUP_MINOR: AgeGroup.minor,
}
#: No call was recorded before: an earlier start is a mistake that would have the recording destroyed at once.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class RetentionPlanner(retention_planner_service_pb2_grpc.RetentionPlannerServicer):
    """Plans how long a recording is kept."""

    def __init__(self, app: RetentionApp) -> None:
        self._app = app

    async def Plan(
        self, request: retention_planner_service_pb2.PlanRequest, context: Any
    ) -> retention_planner_service_pb2.PlanResponse:
        """Plan from the tenant's policy and the law's table."""
        age_group = AGE_GROUPS.get(request.age_group)
        if age_group is None:
            raise InvalidRequest("the age group is unknown")
        plan = await self._app.plan(
            service_actor(current_caller()),
            request.tenant_id,
            parse_id(request.call_id),
            _clock_start(request),
            age_group,
        )
        return retention_planner_service_pb2.PlanResponse(plan=events.plan_message(plan))


def _clock_start(request: retention_planner_service_pb2.PlanRequest) -> datetime:
    if not request.HasField("clock_start"):
        raise InvalidRequest("clock_start is missing")
    try:
        moment = request.clock_start.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest("clock_start is not a moment") from error
    if moment < EARLIEST:
        raise InvalidRequest("clock_start lies before 1970")
    return moment
