"""Requests to consent as ingest makes them."""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.consent.v1 import consent_pb2 as pb
from callward.consent.v1.consent_decider_service_pb2 import DecideRequest
from callward.consent.v1.consent_recorder_service_pb2 import (
    RecordEvidenceRequest,
    RegisterCallRequest,
    RevokeConsentRequest,
)
from tests.support.clock import START
from tests.support.tenants import MERCY

TENANT = MERCY.tenant_id
FORM_REFERENCE = "MRN-55501234/Mary-Major/consent"


def stamp(minutes: int = -30) -> Timestamp:
    """Gives a moment, in minutes from the clock's start."""
    moment = Timestamp()
    moment.FromDatetime(START + timedelta(minutes=minutes))
    return moment


def party(party_id: str, *codes: str, role: int = pb.PARTY_ROLE_PATIENT) -> pb.Party:
    return pb.Party(party_id=party_id, role=pb.PartyRole.ValueType(role), jurisdictions=codes)


AGENT = party("agent", "CA", role=pb.PARTY_ROLE_ORGANISATION)
PARTIES = (AGENT, party("patient", "TX"))


def register(
    call_id: str,
    *,
    tenant: str = TENANT,
    queue: str = "cardiology",
    parties: Any = PARTIES,
    started_at: Timestamp | None = None,
) -> RegisterCallRequest:
    return RegisterCallRequest(
        tenant_id=tenant,
        call_id=call_id,
        queue=queue,
        parties=parties,
        started_at=started_at or stamp(),
    )


def yes(party_id: str = "patient", seconds: int = 4, minutes: int = -29) -> pb.Evidence:
    return pb.Evidence(
        kind=pb.EVIDENCE_KIND_VERBAL_YES,
        party_id=party_id,
        offset=Duration(seconds=seconds),
        given_at=stamp(minutes),
    )


def announcement(party_id: str = "patient") -> pb.Evidence:
    return pb.Evidence(
        kind=pb.EVIDENCE_KIND_ANNOUNCEMENT,
        party_id=party_id,
        script_id="en-recording-notice",
        script_version="7",
        offset=Duration(nanos=250_000_000),
        given_at=stamp(),
    )


def form(reference: str = FORM_REFERENCE) -> pb.Evidence:
    return pb.Evidence(
        kind=pb.EVIDENCE_KIND_WRITTEN_FORM, party_id="patient", form_reference=reference, given_at=stamp()
    )


def record(
    call_id: str, evidence: pb.Evidence, key: str = "key-1", *, tenant: str = TENANT
) -> RecordEvidenceRequest:
    return RecordEvidenceRequest(tenant_id=tenant, call_id=call_id, evidence=evidence, idempotency_key=key)


def revoke(
    call_id: str, key: str = "key-r", *, party_id: str = "patient", minutes: int = -20, tenant: str = TENANT
) -> RevokeConsentRequest:
    return RevokeConsentRequest(
        tenant_id=tenant,
        call_id=call_id,
        party_id=party_id,
        revoked_at=stamp(minutes),
        idempotency_key=key,
    )


def decide(call_id: str, use: int = pb.DECISION_USE_RECORD, *, tenant: str = TENANT) -> DecideRequest:
    return DecideRequest(tenant_id=tenant, call_id=call_id, use=pb.DecisionUse.ValueType(use))
