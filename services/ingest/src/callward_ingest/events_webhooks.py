"""What ingest tells the others of webhooks: domain events → protos."""

from google.protobuf.message import Message

from callward.ingest.v1 import events_pb2
from callward_common.events.actors import actor_to_proto
from callward_ingest.domain import events


def webhook_message(event: events.WebhookChange) -> Message:
    """Returns the event's message."""
    actor = actor_to_proto(event.actor)
    match event:
        case events.WebhookRegistered():
            return events_pb2.WebhookRegistered(
                actor=actor,
                webhook_id=event.webhook_id,
                host=event.host,
                events=event.events,
                secret_version=event.secret_version,
            )
        case events.WebhookChanged():
            return events_pb2.WebhookChanged(
                actor=actor,
                webhook_id=event.webhook_id,
                changes=event.changes,
                host=event.host,
                events=event.events,
                active=event.active,
                secret_version=event.secret_version,
            )
        case events.WebhookRemoved():
            return events_pb2.WebhookRemoved(actor=actor, webhook_id=event.webhook_id)
        case events.WebhookDisabled():
            return events_pb2.WebhookDisabled(actor=actor, webhook_id=event.webhook_id, reason=event.reason)
