"""Consent's gRPC services: request → app → response."""

from typing import Any

from callward.consent.v1 import (
    consent_decider_service_pb2,
    consent_decider_service_pb2_grpc,
    consent_recorder_service_pb2,
    consent_recorder_service_pb2_grpc,
)
from callward_common.errors import InvalidRequest
from callward_common.grpc.caller import current_caller
from callward_common.identity import Actor, service_actor
from callward_common.ids import parse_id
from callward_consent import translate
from callward_consent.app import ConsentApp

MAX_TEXT = 200


class ConsentRecorder(consent_recorder_service_pb2_grpc.ConsentRecorderServicer):
    """Takes down calls, evidence and revocations."""

    def __init__(self, app: ConsentApp) -> None:
        self._app = app

    async def RegisterCall(
        self, request: consent_recorder_service_pb2.RegisterCallRequest, context: Any
    ) -> consent_recorder_service_pb2.RegisterCallResponse:
        """Take down a call and decide."""
        _texts(request.tenant_id, request.queue, *(item.party_id for item in request.parties))
        decision = await self._app.register_call(
            _actor(),
            request.tenant_id,
            parse_id(request.call_id),
            request.queue,
            translate.moment(request.started_at, request.HasField("started_at"), "started_at"),
            [translate.party(item) for item in request.parties],
        )
        return consent_recorder_service_pb2.RegisterCallResponse(
            decision=translate.decision_message(decision)
        )

    async def RecordEvidence(
        self, request: consent_recorder_service_pb2.RecordEvidenceRequest, context: Any
    ) -> consent_recorder_service_pb2.RecordEvidenceResponse:
        """Take down evidence and decide anew."""
        given = translate.evidence(request.evidence)
        _texts(request.tenant_id, request.idempotency_key, given.party_id)
        _optional_texts(given.script_id, given.script_version, given.form_reference)
        evidence_id, decision = await self._app.record_evidence(
            _actor(), request.tenant_id, parse_id(request.call_id), given, request.idempotency_key
        )
        return consent_recorder_service_pb2.RecordEvidenceResponse(
            evidence_id=evidence_id, decision=translate.decision_message(decision)
        )

    async def RevokeConsent(
        self, request: consent_recorder_service_pb2.RevokeConsentRequest, context: Any
    ) -> consent_recorder_service_pb2.RevokeConsentResponse:
        """Take down a revocation and decide anew."""
        _texts(request.tenant_id, request.idempotency_key, request.party_id)
        decision = await self._app.revoke(
            _actor(),
            request.tenant_id,
            parse_id(request.call_id),
            request.party_id,
            translate.moment(request.revoked_at, request.HasField("revoked_at"), "revoked_at"),
            request.idempotency_key,
        )
        return consent_recorder_service_pb2.RevokeConsentResponse(
            decision=translate.decision_message(decision)
        )


class ConsentDecider(consent_decider_service_pb2_grpc.ConsentDeciderServicer):
    """Decides from the evidence on record."""

    def __init__(self, app: ConsentApp) -> None:
        self._app = app

    async def Decide(
        self, request: consent_decider_service_pb2.DecideRequest, context: Any
    ) -> consent_decider_service_pb2.DecideResponse:
        """Decide whether a call may be recorded, or its recording used."""
        _texts(request.tenant_id)
        use = translate.USES.get(request.use)
        if use is None:
            raise InvalidRequest("the use is missing or unknown")
        decision = await self._app.decide(_actor(), request.tenant_id, parse_id(request.call_id), use)
        return consent_decider_service_pb2.DecideResponse(decision=translate.decision_message(decision))


def _actor() -> Actor:
    return service_actor(current_caller())


def _texts(*values: str) -> None:
    if not all(values):
        raise InvalidRequest("a field that is needed is empty")
    _optional_texts(*values)


def _optional_texts(*values: str) -> None:
    if any(len(value) > MAX_TEXT or not value.isprintable() for value in values):
        raise InvalidRequest(f"a field is longer than {MAX_TEXT} characters or holds control characters")
