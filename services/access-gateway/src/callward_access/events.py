"""What the gateway tells the others: domain events → protos."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from callward.access.v1 import events_pb2
from callward_access.ports import Denied, DomainEvent, Granted, Listed, Registered, Served
from callward_common.events.actors import actor_to_proto
from callward_common.tenancy.projection import to_proto as tenant_to_proto

#: The key of events about somebody who could not be identified.
DOOR = "access-gateway"


def to_message(event: DomainEvent) -> Message:
    """Return the event's message."""
    match event:
        case Listed():
            return events_pb2.RecordingsListed(
                actor=actor_to_proto(event.actor), count=event.count, policies=event.policies
            )
        case Granted():
            return _granted(event)
        case Denied():
            return events_pb2.AccessDenied(
                actor=actor_to_proto(event.actor),
                recording_id=event.recording_id,
                action=event.act,
                purpose=event.purpose,
                reason=event.reason,
                policies=event.policies,
            )
        case Served():
            return events_pb2.MediaServed(
                actor=actor_to_proto(event.actor),
                recording_id=event.recording_id,
                session_id=event.session_id,
                rendition=event.rendition,
                first_byte=event.first_byte,
                byte_count=event.byte_count,
            )


def key_of(event: DomainEvent, tenant_id: str) -> str:
    """Return the event's key: the recording's id, or the tenant's, or the door's where nobody is known."""
    match event:
        case Listed():
            return tenant_id
        case Granted() | Denied() | Served():
            return event.recording_id or tenant_id or DOOR


def tenant_changed(event: Registered) -> events_pb2.TenantChanged:
    """Return the message that every component's projection reads."""
    return events_pb2.TenantChanged(actor=actor_to_proto(event.actor), tenant=tenant_to_proto(event.tenant))


def _granted(event: Granted) -> events_pb2.AccessGranted:
    at_most = None
    if event.at_most is not None:
        at_most = Duration()
        at_most.FromTimedelta(event.at_most)
    return events_pb2.AccessGranted(
        actor=actor_to_proto(event.actor),
        recording_id=event.recording_id,
        action=event.act,
        purpose=event.purpose,
        rendition=event.rendition,
        session_id=event.session_id,
        policies=event.policies,
        at_most=at_most,
        decision_id=event.decision_id,
    )
