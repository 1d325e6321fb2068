"""What ingest tells the others: domain events → protos."""

from google.protobuf.message import Message

from callward.ingest.v1 import events_pb2
from callward_common.events.actors import actor_to_proto
from callward_ingest.domain import events
from callward_ingest.events_webhooks import webhook_message
from callward_ingest.translate import masked_messages, media_message, to_timestamp

DOOR = "ingest-door"
"""The key of refusals, which belong to no call: they stay in order among themselves."""


def to_message(event: events.DomainEvent) -> tuple[Message, str]:
    """Returns the event's message and its key: the recording's id, or the call's while there is no recording."""
    match event:
        case (
            events.RecordingRefused()
            | events.RecordingSealed()
            | events.RecordingQuarantined()
            | events.UploadAbandoned()
        ):
            return _of_recording(event)
        case (
            events.WebhookRegistered()
            | events.WebhookChanged()
            | events.WebhookRemoved()
            | events.WebhookDisabled()
        ):
            return webhook_message(event), event.webhook_id
        case events.ReconciliationMade():
            return _reconciled(event), event.reconciliation_id
        case events.AccessDenied():
            actor = actor_to_proto(event.actor)
            return events_pb2.IngestAccessDenied(actor=actor, action=event.action, reason=event.reason), DOOR
    return _of_call(event), event.call_id


_CallEvent = events.CallOpened | events.CallEnded | events.CallMetadataRevised | events.ControlMarkRecorded
_RecordingEvent = (
    events.RecordingRefused | events.RecordingSealed | events.RecordingQuarantined | events.UploadAbandoned
)


def _of_call(event: _CallEvent) -> Message:
    actor = actor_to_proto(event.actor)
    match event:
        case events.CallOpened():
            return events_pb2.CallOpened(actor=actor, call_id=event.call_id, queue=event.queue)
        case events.CallEnded():
            ended_at = to_timestamp(event.ended_at)
            return events_pb2.CallEnded(actor=actor, call_id=event.call_id, ended_at=ended_at)
        case events.CallMetadataRevised():
            return _revised(event)
        case events.ControlMarkRecorded():
            return _marked(event)


def _of_recording(event: _RecordingEvent) -> tuple[Message, str]:
    actor = actor_to_proto(event.actor)
    match event:
        case events.RecordingRefused():
            refused = events_pb2.RecordingRefused(
                actor=actor, call_id=event.call_id, decision_id=event.decision_id, reasons=event.reasons
            )
            return refused, event.call_id
        case events.UploadAbandoned():
            abandoned = events_pb2.UploadAbandoned(
                actor=actor,
                recording_id=event.recording_id,
                call_id=event.call_id,
                reason=event.reason,
            )
            return abandoned, event.recording_id
        case events.RecordingSealed():
            return _sealed(event), event.recording_id
        case events.RecordingQuarantined():
            return _quarantined(event), event.recording_id


def _revised(event: events.CallMetadataRevised) -> events_pb2.CallMetadataRevised:
    return events_pb2.CallMetadataRevised(
        actor=actor_to_proto(event.actor),
        call_id=event.call_id,
        revision_id=event.revision_id,
        revision=event.revision,
        changed=event.changed,
    )


def _reconciled(event: events.ReconciliationMade) -> events_pb2.ReconciliationMade:
    return events_pb2.ReconciliationMade(
        actor=actor_to_proto(event.actor),
        reconciliation_id=event.reconciliation_id,
        range_from=to_timestamp(event.range.start),
        range_to=to_timestamp(event.range.end),
        **{finding.value: count for finding, count in event.counts.items()},
    )


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
        masked=masked_messages(event.masked),
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
        masked=masked_messages(event.masked),
    )


def _marked(event: events.ControlMarkRecorded) -> events_pb2.ControlMarkRecorded:
    return events_pb2.ControlMarkRecorded(
        actor=actor_to_proto(event.actor),
        call_id=event.call_id,
        mark_id=event.mark_id,
        kind=event.kind,
        leg_id=event.leg_id,
        reason=event.reason,
        at=to_timestamp(event.at),
        until=None if event.until is None else to_timestamp(event.until),
        statement_sha256=event.statement_sha256,
        kept_recordings=event.kept_recordings,
    )
