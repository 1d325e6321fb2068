"""The consent service over gRPC."""

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from callward.consent.v1 import (
    consent_decider_service_pb2 as decider_pb2,
)
from callward.consent.v1 import (
    consent_decider_service_pb2_grpc as decider_grpc,
)
from callward.consent.v1 import (
    consent_pb2,
)
from callward.consent.v1 import (
    consent_recorder_service_pb2 as recorder_pb2,
)
from callward.consent.v1 import (
    consent_recorder_service_pb2_grpc as recorder_grpc,
)
from callward_common.errors import Category
from callward_common.grpc.client import Channels
from callward_ingest.domain.calls import Evidence, EvidenceKind, NewCall, PartyRole
from callward_ingest.domain.decisions import AppliedRule, Decision, MissingEvidence, Outcome
from callward_ingest.neighbours.errors import translated
from callward_ingest.translate import from_timestamp, to_timestamp

_CALLEE = "consent"
_PASSED_ON = (Category.invalid, Category.conflict, Category.precondition, Category.not_found)
_ROLES = {
    PartyRole.organisation: consent_pb2.PARTY_ROLE_ORGANISATION,
    PartyRole.patient: consent_pb2.PARTY_ROLE_PATIENT,
    PartyRole.representative: consent_pb2.PARTY_ROLE_REPRESENTATIVE,
    PartyRole.other: consent_pb2.PARTY_ROLE_OTHER,
}
_KINDS = {
    EvidenceKind.announcement: consent_pb2.EVIDENCE_KIND_ANNOUNCEMENT,
    EvidenceKind.verbal_yes: consent_pb2.EVIDENCE_KIND_VERBAL_YES,
    EvidenceKind.written_form: consent_pb2.EVIDENCE_KIND_WRITTEN_FORM,
}
_KIND_NAMES = {number: kind.value for kind, number in _KINDS.items()}
_OUTCOMES = {
    consent_pb2.DECISION_OUTCOME_PERMIT: Outcome.permit,
    consent_pb2.DECISION_OUTCOME_EVIDENCE_MISSING: Outcome.evidence_missing,
    consent_pb2.DECISION_OUTCOME_REVOKED: Outcome.revoked,
    consent_pb2.DECISION_OUTCOME_RECORDING_OFF: Outcome.recording_off,
}


class GrpcConsent:
    """Consent over gRPC. What is the sender's to mend (an unlisted jurisdiction, missing script) is passed on."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    @property
    def _recorder(self) -> "recorder_grpc.ConsentRecorderAsyncStub":
        return recorder_grpc.ConsentRecorderStub(self._channels.channel(_CALLEE))

    async def register_call(self, tenant: str, call_id: str, call: NewCall) -> Decision:
        """Takes a call down with its parties and decides."""
        request = recorder_pb2.RegisterCallRequest(
            tenant_id=tenant,
            call_id=call_id,
            queue=call.queue,
            parties=[
                consent_pb2.Party(
                    party_id=party.party_id, role=_ROLES[party.role], jurisdictions=party.jurisdictions
                )
                for party in call.parties
            ],
            started_at=to_timestamp(call.started_at),
        )
        with translated(_CALLEE, passed_on=_PASSED_ON):
            answer = await self._recorder.RegisterCall(request)
        return _decision(answer.decision)

    async def record_evidence(
        self, tenant: str, call_id: str, evidence: Evidence, idempotency_key: str
    ) -> tuple[str, Decision]:
        """Takes evidence down; returns its id and the new decision."""
        message = consent_pb2.Evidence(
            kind=_KINDS[evidence.kind],
            party_id=evidence.party_id,
            script_id=evidence.script_id,
            script_version=evidence.script_version,
            form_reference=evidence.form_reference,
            given_at=to_timestamp(evidence.given_at),
        )
        if evidence.offset_seconds is not None:
            message.offset.CopyFrom(_duration(evidence.offset_seconds))
        request = recorder_pb2.RecordEvidenceRequest(
            tenant_id=tenant, call_id=call_id, evidence=message, idempotency_key=idempotency_key
        )
        with translated(_CALLEE, passed_on=_PASSED_ON):
            answer = await self._recorder.RecordEvidence(request)
        return answer.evidence_id, _decision(answer.decision)

    async def revoke(
        self, tenant: str, call_id: str, party_id: str, revoked_at: datetime, idempotency_key: str
    ) -> Decision:
        """Takes down that a party revoked; returns the new decision."""
        request = recorder_pb2.RevokeConsentRequest(
            tenant_id=tenant,
            call_id=call_id,
            party_id=party_id,
            revoked_at=to_timestamp(revoked_at),
            idempotency_key=idempotency_key,
        )
        with translated(_CALLEE, passed_on=_PASSED_ON):
            answer = await self._recorder.RevokeConsent(request)
        return _decision(answer.decision)

    async def may_record(self, tenant: str, call_id: str) -> Decision:
        """Decides anew whether the call may be recorded and kept."""
        stub: decider_grpc.ConsentDeciderAsyncStub = decider_grpc.ConsentDeciderStub(
            self._channels.channel(_CALLEE)
        )
        request = decider_pb2.DecideRequest(
            tenant_id=tenant, call_id=call_id, use=consent_pb2.DECISION_USE_RECORD
        )
        with translated(_CALLEE, passed_on=_PASSED_ON):
            answer = await stub.Decide(request)
        return _decision(answer.decision)


def _duration(seconds: float) -> Duration:
    length = Duration()
    length.FromTimedelta(timedelta(seconds=seconds))
    return length


def _decision(message: consent_pb2.Decision) -> Decision:
    return Decision(
        decision_id=message.decision_id,
        outcome=_OUTCOMES.get(message.outcome, Outcome.unspecified),
        rules=tuple(
            AppliedRule(
                jurisdiction=rule.jurisdiction,
                consent_rule=rule.consent_rule,
                engine_rule=rule.engine_rule,
                statute=rule.statute,
                confidence=rule.confidence,
                deciding=rule.deciding,
            )
            for rule in message.rules
        ),
        missing=tuple(
            MissingEvidence(item.party_id, tuple(_KIND_NAMES.get(kind, "unknown") for kind in item.any_of))
            for item in message.missing
        ),
        reasons=tuple(message.reasons),
        rules_version=message.rules_version,
        policy_version=message.policy_version,
        decided_at=from_timestamp(message.decided_at) if message.HasField("decided_at") else None,
    )
