"""Between consent's own words and the protos. Raises InvalidRequest for what a request leaves out or gets wrong."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.consent.v1 import consent_pb2
from callward_common.errors import InvalidRequest
from callward_consent.app import EvidenceGiven
from callward_consent.domain.model import Decision, EvidenceKind, Outcome, Party, PartyRole, Use

ROLES = {
    consent_pb2.PARTY_ROLE_ORGANISATION: PartyRole.organisation,
    consent_pb2.PARTY_ROLE_PATIENT: PartyRole.patient,
    consent_pb2.PARTY_ROLE_REPRESENTATIVE: PartyRole.representative,
    consent_pb2.PARTY_ROLE_OTHER: PartyRole.other,
}
KINDS = {
    consent_pb2.EVIDENCE_KIND_ANNOUNCEMENT: EvidenceKind.announcement,
    consent_pb2.EVIDENCE_KIND_VERBAL_YES: EvidenceKind.verbal_yes,
    consent_pb2.EVIDENCE_KIND_WRITTEN_FORM: EvidenceKind.written_form,
}
KINDS_TO_PROTO = {kind: number for number, kind in KINDS.items()}
USES = {consent_pb2.DECISION_USE_RECORD: Use.record, consent_pb2.DECISION_USE_PLAYBACK: Use.playback}
USES_TO_PROTO = {use: number for number, use in USES.items()}
OUTCOMES_TO_PROTO = {
    Outcome.permit: consent_pb2.DECISION_OUTCOME_PERMIT,
    Outcome.evidence_missing: consent_pb2.DECISION_OUTCOME_EVIDENCE_MISSING,
    Outcome.revoked: consent_pb2.DECISION_OUTCOME_REVOKED,
    Outcome.recording_off: consent_pb2.DECISION_OUTCOME_RECORDING_OFF,
}
FARTHEST_OFFSET = timedelta(days=7)


def moment(stamp: Timestamp, present: bool, field: str) -> datetime:
    """Return an aware UTC moment; refuses an absent or impossible one."""
    if not present:
        raise InvalidRequest(f"{field} is missing")
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidRequest(f"{field} is not a moment") from error


def party(message: consent_pb2.Party) -> Party:
    """Return a party; refuses an unknown role."""
    role = ROLES.get(message.role)
    if role is None:
        raise InvalidRequest("a party's role is missing or unknown")
    return Party(message.party_id, role, tuple(message.jurisdictions))


def evidence(message: consent_pb2.Evidence) -> EvidenceGiven:
    """Return evidence as given; refuses an unknown kind or an impossible offset."""
    kind = KINDS.get(message.kind)
    if kind is None:
        raise InvalidRequest("the kind of evidence is missing or unknown")
    return EvidenceGiven(
        kind=kind,
        party_id=message.party_id,
        given_at=moment(message.given_at, message.HasField("given_at"), "given_at"),
        offset=_offset(message.offset) if message.HasField("offset") else None,
        script_id=message.script_id,
        script_version=message.script_version,
        form_reference=message.form_reference,
    )


def _offset(message: Duration) -> timedelta:
    # Looked at before it is converted: no timedelta holds what a Duration may claim.
    if abs(message.seconds) > FARTHEST_OFFSET.total_seconds():
        raise InvalidRequest("the offset lies beyond any recording")
    return message.ToTimedelta()


def decision_message(decision: Decision) -> consent_pb2.Decision:
    """Return the decision as callers and events see it."""
    verdict = decision.verdict
    message = consent_pb2.Decision(
        decision_id=decision.decision_id,
        use=USES_TO_PROTO[decision.use],
        outcome=OUTCOMES_TO_PROTO[verdict.outcome],
        reasons=verdict.reasons,
        rules_version=decision.rules_version,
        policy_version=decision.policy_version,
        evidence_ids=verdict.evidence_ids,
    )
    message.decided_at.FromDatetime(decision.decided_at)
    for rule in verdict.rules:
        message.rules.add(
            jurisdiction=rule.jurisdiction,
            consent_rule="one-party" if rule.one_party else "all-party",
            engine_rule=rule.engine_rule,
            statute=rule.statute,
            confidence=rule.confidence,
            deciding=rule.deciding,
        )
    for missing in verdict.missing:
        message.missing.add(
            party_id=missing.party_id, any_of=[KINDS_TO_PROTO[kind] for kind in missing.any_of]
        )
    return message


def duration(value: timedelta) -> Duration:
    """Return a proto duration."""
    message = Duration()
    message.FromTimedelta(value)
    return message
