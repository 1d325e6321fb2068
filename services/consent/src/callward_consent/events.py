"""What consent tells the others: domain events → protos."""

from google.protobuf.message import Message

from callward.consent.v1 import events_pb2
from callward_common.events.actors import actor_to_proto
from callward_consent.ports import Decided, DomainEvent, EvidenceRecorded, Revoked
from callward_consent.translate import KINDS_TO_PROTO, decision_message, duration


def to_message(event: DomainEvent) -> tuple[Message, str]:
    """Return the event's message and its key, the call's id."""
    match event:
        case Decided(actor, decision):
            message: Message = events_pb2.ConsentDecided(
                actor=actor_to_proto(actor), call_id=decision.call_id, decision=decision_message(decision)
            )
            return message, decision.call_id
        case EvidenceRecorded(actor, call_id, evidence):
            return (
                events_pb2.ConsentEvidenceRecorded(
                    actor=actor_to_proto(actor),
                    call_id=call_id,
                    evidence_id=evidence.evidence_id,
                    kind=KINDS_TO_PROTO[evidence.kind],
                    party_id=evidence.party_id,
                    script_id=evidence.script_id,
                    script_version=evidence.script_version,
                    offset=None if evidence.offset is None else duration(evidence.offset),
                ),
                call_id,
            )
        case Revoked(actor, call_id, revocation):
            return (
                events_pb2.ConsentRevoked(
                    actor=actor_to_proto(actor), call_id=call_id, party_id=revocation.party_id
                ),
                call_id,
            )
