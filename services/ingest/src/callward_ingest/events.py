"""What ingest tells the others: domain events → protos."""

from google.protobuf.message import Message

from callward.ingest.v1 import events_pb2
from callward_common.events.actors import actor_to_proto
from callward_ingest.domain import events
from callward_ingest.translate import media_message, to_timestamp

DOOR = "ingest-door"
"""The key of refusals, which belong to no call: they stay in order among themselves."""


def to_message(event: events.DomainEvent) -> tuple[Message, str]:
    """Returns the event's message and its key: the recording's id, or the call's while there is no recording."""
    match event:
        case events.CallOpened():
            opened = events_pb2.CallOpened(
                actor=actor_to_proto(event.actor), call_id=event.call_id, queue=event.queue
            )
            return opened, event.call_id
        case events.CallEnded():
            ended = events_pb2.CallEnded(
                actor=actor_to_proto(event.actor),
                call_id=event.call_id,
                ended_at=to_timestamp(event.ended_at),
            )
            return ended, event.call_id
        case events.RecordingRefused():
            refused = events_pb2.RecordingRefused(
                actor=actor_to_proto(event.actor),
                call_id=event.call_id,
                decision_id=event.decision_id,
                reasons=event.reasons,
            )
            return refused, event.call_id
        case events.RecordingSealed():
            return _sealed(event), event.recording_id
        case events.RecordingQuarantined():
            return _quarantined(event), event.recording_id
        case events.UploadAbandoned():
            abandoned = events_pb2.UploadAbandoned(
                actor=actor_to_proto(event.actor),
                recording_id=event.recording_id,
                call_id=event.call_id,
                reason=event.reason,
            )
            return abandoned, event.recording_id
        case events.AccessDenied():
            denied = events_pb2.IngestAccessDenied(
                actor=actor_to_proto(event.actor), action=event.action, reason=event.reason
            )
            return denied, DOOR


def _sealed(event: events.RecordingSealed) -> events_pb2.RecordingSealed:
    return events_pb2.RecordingSealed(
        actor=actor_to_proto(event.actor),
        recording_id=event.recording_id,
        call_id=event.call_id,
        key_id=event.key_id,
        manifest_sha256=event.manifest_sha256,
        receipt_sha256=event.receipt_sha256,
        decision_id=event.decision_id,
        retain_until=to_timestamp(event.retain_until),
        media=media_message(event.media),
    )


def _quarantined(event: events.RecordingQuarantined) -> events_pb2.RecordingQuarantined:
    return events_pb2.RecordingQuarantined(
        actor=actor_to_proto(event.actor),
        recording_id=event.recording_id,
        call_id=event.call_id,
        key_id=event.key_id,
        manifest_sha256=event.manifest_sha256,
        receipt_sha256=event.receipt_sha256,
        reasons=event.reasons,
        media=media_message(event.media),
    )
