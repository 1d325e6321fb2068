"""Consent, retention and key-management as fake servicers behind real mTLS, with real keys and signatures."""

import asyncio
import hashlib
from datetime import UTC, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from joserfc import jwt
from joserfc.jwk import OKPKey

from callward.consent.v1 import (
    consent_decider_service_pb2,
    consent_decider_service_pb2_grpc,
    consent_pb2,
    consent_recorder_service_pb2,
    consent_recorder_service_pb2_grpc,
)
from callward.keys.v1 import (
    data_key_issuer_service_pb2,
    data_key_issuer_service_pb2_grpc,
    data_key_pb2,
    pseudonymiser_service_pb2,
    pseudonymiser_service_pb2_grpc,
    signing_service_pb2,
    signing_service_pb2_grpc,
    webhook_secret_service_pb2,
    webhook_secret_service_pb2_grpc,
)
from callward.retention.v1 import retention_planner_service_pb2, retention_planner_service_pb2_grpc
from callward_common.clock import Clock
from callward_common.errors import CallwardError, Category, NotFound
from callward_common.grpc.server import GrpcBinding
from callward_common.ids import new_id
from callward_crypto.keys import METADATA_LABEL, derive_subkey, rendition_label


class UnknownJurisdiction(CallwardError):
    """As the consent service has it."""

    category = Category.invalid
    type = "unknown-jurisdiction"
    title = "Unknown jurisdiction"


class KeyRefused(CallwardError):
    """As key-management refuses."""

    category = Category.precondition
    type = "key-refused"
    title = "Key refused"


class Gate:
    """Holds a method back: `reached` is set when it is called, and it goes on when `opened` is."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()


class Switch:
    """Makes methods fail, `failing["Decide"] = Unavailable(…)`, or wait, `gates["Decide"] = Gate()`."""

    def __init__(self) -> None:
        self.failing: dict[str, CallwardError] = {}
        self.gates: dict[str, Gate] = {}
        self.seen: list[Any] = []

    async def take(self, request: Any) -> None:
        self.seen.append(request)
        name = type(request).__name__.removesuffix("Request")
        if name in self.gates:
            self.gates[name].reached.set()
            await self.gates[name].opened.wait()
        if name in self.failing:
            raise self.failing[name]


class Consent(
    consent_recorder_service_pb2_grpc.ConsentRecorderServicer,
    consent_decider_service_pb2_grpc.ConsentDeciderServicer,
):
    """Permits a call of the queue "cardiology" once the patient said yes, until somebody revokes."""

    def __init__(self) -> None:
        self.switch = Switch()
        self.calls: dict[str, consent_recorder_service_pb2.RegisterCallRequest] = {}
        self.yes: set[str] = set()
        self.revoked: set[str] = set()

    async def RegisterCall(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        codes = {code for party in request.parties for code in party.jurisdictions}
        if codes - {"CA", "TX", "unknown"}:
            raise UnknownJurisdiction("A jurisdiction is not listed.")
        self.calls[request.call_id] = request
        return consent_recorder_service_pb2.RegisterCallResponse(decision=self.decide(request.call_id))

    async def RecordEvidence(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if request.evidence.kind == consent_pb2.EVIDENCE_KIND_VERBAL_YES:
            self.yes.add(request.call_id)
        return consent_recorder_service_pb2.RecordEvidenceResponse(
            evidence_id=new_id(), decision=self.decide(request.call_id)
        )

    async def RevokeConsent(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        self.revoked.add(request.call_id)
        return consent_recorder_service_pb2.RevokeConsentResponse(decision=self.decide(request.call_id))

    async def Decide(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        return consent_decider_service_pb2.DecideResponse(decision=self.decide(request.call_id))

    def decide(self, call_id: str) -> consent_pb2.Decision:
        missing = []
        if self.calls[call_id].queue != "cardiology":
            outcome = consent_pb2.DECISION_OUTCOME_RECORDING_OFF
        elif call_id in self.revoked:
            outcome = consent_pb2.DECISION_OUTCOME_REVOKED
        elif call_id in self.yes:
            outcome = consent_pb2.DECISION_OUTCOME_PERMIT
        else:
            outcome = consent_pb2.DECISION_OUTCOME_EVIDENCE_MISSING
            missing = [
                consent_pb2.MissingEvidence(party_id="patient", any_of=[consent_pb2.EVIDENCE_KIND_VERBAL_YES])
            ]
        rule = consent_pb2.AppliedRule(
            jurisdiction="CA",
            consent_rule="all-party",
            engine_rule="all_party__capture_consent",
            statute="Cal. Penal Code § 632",
            confidence="high",
            deciding=True,
        )
        return consent_pb2.Decision(
            decision_id=new_id(),
            use=consent_pb2.DECISION_USE_RECORD,
            outcome=outcome,
            rules=[rule],
            missing=missing,
            reasons=["all-party-express-evidence"],
            rules_version="law/2026-11",
            policy_version=1,
        )


class Retention(retention_planner_service_pb2_grpc.RetentionPlannerServicer):
    """Plans ten years."""

    def __init__(self) -> None:
        self.switch = Switch()

    async def Plan(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        start = request.clock_start.ToDatetime(UTC)
        plan = retention_planner_service_pb2.Plan(
            plan_id=new_id(),
            retention_class="medical-record-adult",
            retain_until=_stamp(start + timedelta(days=3650)),
            delete_after=_stamp(start + timedelta(days=3680)),
            citation="22 CCR § 70751(c)",
            policy_version="policy/1+law/2026-11",
        )
        return retention_planner_service_pb2.PlanResponse(plan=plan)


class Keys(
    data_key_issuer_service_pb2_grpc.DataKeyIssuerServicer,
    pseudonymiser_service_pb2_grpc.PseudonymiserServicer,
    signing_service_pb2_grpc.ReceiptSignerServicer,
    signing_service_pb2_grpc.MarkSignerServicer,
    signing_service_pb2_grpc.SigningKeyDirectoryServicer,
    webhook_secret_service_pb2_grpc.WebhookSecretsServicer,
):
    """Issues, seals and gives up keys by the states of sealing.md section 2; signs for what is sealed alone."""

    def __init__(self, clock: Clock) -> None:
        self.switch = Switch()
        self.clock = clock
        self.data_keys: dict[str, bytes] = {}
        self.key_ids: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.manifests: dict[str, bytes] = {}
        self.secrets: dict[str, bytes] = {}
        self.signing_key = OKPKey.generate_key("Ed25519", {"kid": "receipt-1"})
        self.mark_key = OKPKey.generate_key("Ed25519", {"kid": "mark-1"})

    async def IssueDataKey(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if request.subject_id in self.data_keys:
            raise KeyRefused("The subject has a key.")
        data_key = hashlib.sha256(b"data key" + request.subject_id.encode()).digest()
        self.data_keys[request.subject_id] = data_key
        self.states[request.subject_id] = "open"
        self.secrets[request.subject_id] = request.upload_secret_sha256
        self.key_ids[request.subject_id] = new_id()
        return data_key_issuer_service_pb2.IssueDataKeyResponse(**self._given(request))

    async def ReissueDataKey(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if request.subject_id not in self.data_keys:
            raise NotFound("There is no such key.")
        self._demand_open(request)
        return data_key_issuer_service_pb2.ReissueDataKeyResponse(**self._given(request))

    def _given(self, request: Any) -> dict[str, Any]:
        data_key = self.data_keys[request.subject_id]
        subkeys = [
            data_key_pb2.Subkey(name=name, key=derive_subkey(data_key, rendition_label(name)))
            for name in request.subkeys.renditions
        ]
        if request.subkeys.metadata:
            metadata = derive_subkey(data_key, METADATA_LABEL)
            subkeys.append(data_key_pb2.Subkey(name="metadata", metadata=True, key=metadata))
        commitment = hashlib.sha256(data_key).digest()
        return {
            "key_id": self.key_ids[request.subject_id],
            "commitment": commitment,
            "subkeys": subkeys,
        }

    async def SealDataKey(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if self.manifests.get(request.subject_id) != request.manifest_sha256:
            self._demand_open(request)
        self.states[request.subject_id] = "sealed"
        self.manifests[request.subject_id] = request.manifest_sha256
        return data_key_issuer_service_pb2.SealDataKeyResponse(
            key_id=new_id(), sealed_at=_stamp(self.clock.now())
        )

    async def AbandonDataKey(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        self._demand_open(request)
        self.states[request.subject_id] = "shred_pending"
        return data_key_issuer_service_pb2.AbandonDataKeyResponse(key_id=new_id())

    async def Pseudonymise(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        return pseudonymiser_service_pb2.PseudonymiseResponse(
            pseudonyms=[hashlib.sha256(b"pseudonym" + value.encode()).digest() for value in request.values]
        )

    async def GetFingerprintKey(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        key = hashlib.sha256(f"fingerprint {request.tenant_id} {request.date}".encode()).digest()
        return pseudonymiser_service_pb2.GetFingerprintKeyResponse(key=key)

    async def GetWebhookSecret(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        asked = f"webhook {request.tenant_id} {request.webhook_id} {request.version}"
        return webhook_secret_service_pb2.GetWebhookSecretResponse(
            secret=hashlib.sha256(asked.encode()).digest()
        )

    async def SignReceipt(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if self.manifests.get(request.recording_id) != request.manifest_sha256:
            raise KeyRefused("The manifest is not the registered one.")
        header = {"alg": "EdDSA", "kid": "receipt-1", "typ": "callward-receipt+jwt"}
        claims = {
            "recording": request.recording_id,
            "state": request.state,
            "manifest": request.manifest_sha256.hex(),
            "event": request.event_id,
            "citation": request.consent.citation,
            "commitment": request.sender_commitment.hex(),
        }
        jws = jwt.encode(header, claims, self.signing_key, ["EdDSA"])
        return signing_service_pb2.SignReceiptResponse(
            jws=jws, sha256=hashlib.sha256(jws.encode()).digest(), signing_key_id="receipt-1"
        )

    async def SignMark(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        if self.states.get(request.call_id) != "sealed":
            raise KeyRefused("The call's key is not sealed.")
        header = {"alg": "EdDSA", "kid": "mark-1", "typ": "callward-mark+jws"}
        claims = {
            "call_id": request.call_id,
            "mark_id": request.mark_id,
            "event_id": request.event_id,
            "kind": request.kind,
            "leg_id": request.leg_id,
            "reason": request.reason,
            "at": request.at.ToJsonString(),
            "until": request.until.ToJsonString() if request.HasField("until") else "",
        }
        jws = jwt.encode(header, claims, self.mark_key, ["EdDSA"])
        return signing_service_pb2.SignMarkResponse(
            jws=jws, sha256=hashlib.sha256(jws.encode()).digest(), signing_key_id="mark-1"
        )

    async def ListSigningKeys(self, request: Any, context: Any) -> Any:
        await self.switch.take(request)
        keys = [
            signing_service_pb2.SigningKey(
                key_id=f"{kind}-1",
                document_type=kind,
                public_key=key.raw_value.public_key().public_bytes_raw(),  # type: ignore[union-attr]
                created_at=_stamp(self.clock.now()),
            )
            for kind, key in (("receipt", self.signing_key), ("mark", self.mark_key))
        ]
        return signing_service_pb2.ListSigningKeysResponse(keys=keys)

    def _demand_open(self, request: Any) -> None:
        if self.states.get(request.subject_id) != "open":
            raise KeyRefused("The key is not open.")
        if hashlib.sha256(request.upload_secret).digest() != self.secrets[request.subject_id]:
            raise KeyRefused("The secret is another.")


def consent_bindings(consent: Consent) -> list[GrpcBinding]:
    return [
        GrpcBinding(
            consent_recorder_service_pb2_grpc.add_ConsentRecorderServicer_to_server,
            consent,
            consent_recorder_service_pb2.DESCRIPTOR.services_by_name["ConsentRecorder"],
        ),
        GrpcBinding(
            consent_decider_service_pb2_grpc.add_ConsentDeciderServicer_to_server,
            consent,
            consent_decider_service_pb2.DESCRIPTOR.services_by_name["ConsentDecider"],
        ),
    ]


def retention_bindings(retention: Retention) -> list[GrpcBinding]:
    return [
        GrpcBinding(
            retention_planner_service_pb2_grpc.add_RetentionPlannerServicer_to_server,
            retention,
            retention_planner_service_pb2.DESCRIPTOR.services_by_name["RetentionPlanner"],
        )
    ]


def keys_bindings(keys: Keys) -> list[GrpcBinding]:
    signing = signing_service_pb2.DESCRIPTOR.services_by_name
    return [
        GrpcBinding(
            data_key_issuer_service_pb2_grpc.add_DataKeyIssuerServicer_to_server,
            keys,
            data_key_issuer_service_pb2.DESCRIPTOR.services_by_name["DataKeyIssuer"],
        ),
        GrpcBinding(
            pseudonymiser_service_pb2_grpc.add_PseudonymiserServicer_to_server,
            keys,
            pseudonymiser_service_pb2.DESCRIPTOR.services_by_name["Pseudonymiser"],
        ),
        GrpcBinding(
            webhook_secret_service_pb2_grpc.add_WebhookSecretsServicer_to_server,
            keys,
            webhook_secret_service_pb2.DESCRIPTOR.services_by_name["WebhookSecrets"],
        ),
        GrpcBinding(
            signing_service_pb2_grpc.add_ReceiptSignerServicer_to_server, keys, signing["ReceiptSigner"]
        ),
        GrpcBinding(signing_service_pb2_grpc.add_MarkSignerServicer_to_server, keys, signing["MarkSigner"]),
        GrpcBinding(
            signing_service_pb2_grpc.add_SigningKeyDirectoryServicer_to_server,
            keys,
            signing["SigningKeyDirectory"],
        ),
    ]


def _stamp(moment: Any) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment.replace(tzinfo=None))
    return stamp
