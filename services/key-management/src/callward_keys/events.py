"""What key-management tells the others: domain → protos."""

from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from callward.keys.v1 import data_key_pb2, events_pb2
from callward_common.events.actors import actor_to_proto
from callward_keys.domain.events import (
    DocumentSigned,
    DomainEvent,
    KeyIssued,
    KeyOpened,
    KeyRefused,
    KeySealed,
    KeyShredPending,
)
from callward_keys.domain.model import Subject, SubjectKind

SUBJECT_KINDS = {
    SubjectKind.recording: data_key_pb2.SUBJECT_KIND_RECORDING,
    SubjectKind.call: data_key_pb2.SUBJECT_KIND_CALL,
    SubjectKind.call_revision: data_key_pb2.SUBJECT_KIND_CALL_REVISION,
}


def key_of(event: DomainEvent) -> str:
    """Gives the key of an event on its topic: the recording's or call's id."""
    return event.subject_id if isinstance(event, DocumentSigned) else event.subject.subject_id


def to_message(event: DomainEvent) -> Message:
    """Gives the event's message."""
    match event:
        case KeyIssued():
            return _issued(event)
        case KeySealed():
            return _sealed(event)
        case KeyShredPending():
            return _shred_pending(event)
        case KeyOpened():
            return _opened(event)
        case KeyRefused():
            return _refused(event)
        case DocumentSigned():
            return _signed(event)


def to_timestamp(moment: datetime) -> Timestamp:
    """Gives a moment as protobuf has it."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _kind(subject: Subject) -> data_key_pb2.SubjectKind.ValueType:
    return SUBJECT_KINDS[subject.kind]


def _issued(event: KeyIssued) -> events_pb2.KeyIssued:
    return events_pb2.KeyIssued(
        actor=actor_to_proto(event.actor),
        key_id=event.key_id,
        subject_kind=_kind(event.subject),
        subject_id=event.subject.subject_id,
        bucket=event.bucket,
        commitment=event.commitment,
        again=event.again,
    )


def _sealed(event: KeySealed) -> events_pb2.KeySealed:
    return events_pb2.KeySealed(
        actor=actor_to_proto(event.actor),
        key_id=event.key_id,
        subject_kind=_kind(event.subject),
        subject_id=event.subject.subject_id,
        manifest_sha256=event.manifest_sha256,
    )


def _shred_pending(event: KeyShredPending) -> events_pb2.KeyShredPending:
    return events_pb2.KeyShredPending(
        actor=actor_to_proto(event.actor),
        key_id=event.key_id,
        subject_kind=_kind(event.subject),
        subject_id=event.subject.subject_id,
        reason=event.reason,
    )


def _opened(event: KeyOpened) -> events_pb2.KeyOpened:
    return events_pb2.KeyOpened(
        actor=actor_to_proto(event.actor),
        key_id=event.key_id,
        subject_kind=_kind(event.subject),
        subject_id=event.subject.subject_id,
        subkey=event.subkey,
        purpose=event.purpose,
        grant_event_id=event.grant_event_id,
        lease_expires_at=to_timestamp(event.lease_expires_at),
    )


def _refused(event: KeyRefused) -> events_pb2.KeyRefused:
    return events_pb2.KeyRefused(
        actor=actor_to_proto(event.actor),
        subject_kind=_kind(event.subject),
        subject_id=event.subject.subject_id,
        reason=event.reason,
    )


def _signed(event: DocumentSigned) -> events_pb2.DocumentSigned:
    return events_pb2.DocumentSigned(
        actor=actor_to_proto(event.actor),
        document_type=event.document_type,
        subject_id=event.subject_id,
        sha256=event.sha256,
        signing_key_id=event.signing_key_id,
    )
