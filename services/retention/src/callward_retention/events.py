"""What retention tells the others: domain → protos."""

from callward.retention.v1 import events_pb2, retention_planner_service_pb2
from callward_common.events.actors import actor_to_proto
from callward_retention.domain.model import CLOCK_EVENT, Plan
from callward_retention.ports import Planned


def to_message(event: Planned) -> events_pb2.RetentionPlanned:
    """Return the event's message."""
    return events_pb2.RetentionPlanned(
        actor=actor_to_proto(event.actor), call_id=event.plan.call_id, plan=plan_message(event.plan)
    )


def plan_message(plan: Plan) -> retention_planner_service_pb2.Plan:
    """Return the plan as callers and events see it."""
    message = retention_planner_service_pb2.Plan(
        plan_id=plan.plan_id,
        retention_class=plan.retention_class,
        citation=plan.row.citation,
        rule_text=plan.row.rule_text,
        law_trigger=plan.row.trigger,
        clock_event=CLOCK_EVENT,
        basis=plan.basis,
        years=plan.years,
        policy_version=plan.policy_version,
        jurisdiction=plan.row.jurisdiction,
    )
    message.retain_until.FromDatetime(plan.retain_until)
    message.delete_after.FromDatetime(plan.delete_after)
    return message
