"""Documents that are signed: what a receipt states, and its bytes. The signing side builds them."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from callward_common.errors import InvalidRequest, JsonValue
from callward_keys.domain.errors import ManifestMismatch
from callward_keys.domain.model import HASH_BYTES, DataKey, KeyState

ISSUER = "callward"
#: The media type of receipts in the JWS header (RFC 7515 section 4.1.9, RFC 8725 section 3.11).
RECEIPT_TYP = "callward-receipt+jwt"
MAX_REASONS = 32
MAX_CHARACTERS = 1000
_CODE = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class DocumentType(StrEnum):
    """What is signed: each type has a transit key of its own."""

    receipt = "receipt"
    mark = "mark"
    checkpoint = "checkpoint"

    @property
    def transit_key(self) -> str:
        """The name of the type's transit key."""
        return f"signing.{self.value}"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half (Ed25519, 32 bytes) of one version of a signing key, as documents name it."""

    key_id: str
    document_type: DocumentType
    version: int
    public_key: bytes
    created_at: datetime


def thumbprint(public_key: bytes) -> str:
    """Gives the id of a signing key: the JWK thumbprint (RFC 7638) of its public half (RFC 8037 section 2)."""
    x = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class ReceiptBasis:
    """The lawful basis of a recording as the receipt states it."""

    decision_id: str
    outcome: str
    rule: str
    citation: str
    rules_version: str


@dataclass(frozen=True, slots=True)
class ReceiptPlan:
    """The retention plan as the receipt states it."""

    retention_class: str
    retain_until: datetime
    delete_after: datetime
    citation: str
    policy_version: str


@dataclass(frozen=True, slots=True)
class ReceiptStatement:
    """What a receipt states of one recording. `sender_commitment` is SHA-256(r ‖ digest), or empty."""

    tenant_id: str
    recording_id: str
    call_id: str
    state: str
    reasons: tuple[str, ...]
    manifest_sha256: bytes
    key_id: str
    basis: ReceiptBasis
    plan: ReceiptPlan
    event_id: str
    sender_commitment: bytes
    sealed_at: datetime

    def __post_init__(self) -> None:
        """Refuses a statement that contradicts itself, is incomplete or too long."""
        if self.state not in ("sealed", "quarantined"):
            raise InvalidRequest('state is neither "sealed" nor "quarantined".')
        if (self.state == "quarantined") != bool(self.reasons) or len(self.reasons) > MAX_REASONS:
            raise InvalidRequest(
                f"A quarantined recording has 1 to {MAX_REASONS} reasons, a sealed one none."
            )
        if not all(_CODE.fullmatch(reason) for reason in self.reasons):
            raise InvalidRequest("A reason is not a stable code.")
        if len(self.sender_commitment) not in (0, HASH_BYTES):
            raise InvalidRequest(f"sender_commitment is neither empty nor {HASH_BYTES} bytes long.")
        if self.plan.delete_after < self.plan.retain_until:
            raise InvalidRequest("The plan ends before its minimum.")
        self._demand_texts()

    def _demand_texts(self) -> None:
        basis, plan = self.basis, self.plan
        demanded = (basis.decision_id, basis.outcome, basis.rules_version)
        demanded_too = (plan.retention_class, plan.citation, plan.policy_version)
        if not all((*demanded, *demanded_too)):
            raise InvalidRequest("The decision or the plan is incomplete.")
        for text in (*demanded, *demanded_too, basis.rule, basis.citation):
            if len(text) > MAX_CHARACTERS or not text.isprintable():
                raise InvalidRequest(f"A text is longer than {MAX_CHARACTERS} or has control characters.")


def demand_registered(key: DataKey | None, statement: ReceiptStatement) -> DataKey:
    """Returns the recording's key when it is sealed with exactly this manifest, else raises ManifestMismatch."""
    if (
        key is None
        or key.state is not KeyState.sealed
        or key.key_id != statement.key_id
        or key.manifest_sha256 != statement.manifest_sha256
    ):
        raise ManifestMismatch("Key and manifest are not the ones registered for this recording.")
    return key


def receipt_payload(statement: ReceiptStatement, commitment: bytes, now: datetime) -> bytes:
    """Gives the payload of a receipt: JSON with sorted keys, RFC 3339 times in UTC, hashes in hex.

    `commitment` is the key's as key-management has it on record; `iat` is the moment of signing (RFC 7519
    section 4.1.6).
    """
    basis, plan = statement.basis, statement.plan
    document: dict[str, JsonValue] = {
        "iss": ISSUER,
        "iat": int(now.timestamp()),
        "tenant_id": statement.tenant_id,
        "recording_id": statement.recording_id,
        "call_id": statement.call_id,
        "state": statement.state,
        "reasons": list(statement.reasons),
        "manifest_sha256": statement.manifest_sha256.hex(),
        "key_id": statement.key_id,
        "key_commitment": commitment.hex(),
        "event_id": statement.event_id,
        "sealed_at": rfc3339(statement.sealed_at),
        "consent": {
            "decision_id": basis.decision_id,
            "outcome": basis.outcome,
            "rule": basis.rule,
            "citation": basis.citation,
            "rules_version": basis.rules_version,
        },
        "retention": {
            "retention_class": plan.retention_class,
            "retain_until": rfc3339(plan.retain_until),
            "delete_after": rfc3339(plan.delete_after),
            "citation": plan.citation,
            "policy_version": plan.policy_version,
        },
    }
    if statement.sender_commitment:
        document["sender_commitment_sha256"] = statement.sender_commitment.hex()
    return to_json(document)


def to_json(document: Mapping[str, JsonValue]) -> bytes:
    """Gives the bytes that are signed: sorted keys, no white space, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def rfc3339(moment: datetime) -> str:
    """Gives a moment in UTC with microseconds (RFC 3339 section 5.6)."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
