"""The answers of the door, as OpenAPI describes them."""

from pydantic import BaseModel

from callward_common.http.model import StrictModel, Timestamp


class RuleAnswer(StrictModel):
    """A rule of the law that took part in a decision."""

    jurisdiction: str
    consent_rule: str
    engine_rule: str
    statute: str
    confidence: str
    deciding: bool


class MissingAnswer(StrictModel):
    """Evidence that is missing: any of the kinds, for one party."""

    party_id: str
    any_of: list[str]


class DecisionAnswer(StrictModel):
    """May the call be recorded? Only the outcome `permit` means yes."""

    decision_id: str
    outcome: str
    deciding_rule: RuleAnswer | None
    rules: list[RuleAnswer]
    missing_evidence: list[MissingAnswer]
    reasons: list[str]
    rules_version: str
    policy_version: int


class CallOpened(StrictModel):
    """A call was opened."""

    call_id: str
    decision: DecisionAnswer


class EvidenceTaken(StrictModel):
    """Evidence was taken down."""

    call_id: str
    evidence_id: str
    decision: DecisionAnswer


class ConsentRevoked(StrictModel):
    """A revocation was taken down."""

    call_id: str
    decision: DecisionAnswer


class CallEnded(StrictModel):
    """The call has ended."""

    call_id: str
    ended_at: Timestamp


class RecordingOfCall(StrictModel):
    """A recording of a call."""

    recording_id: str
    state: str
    reasons: list[str]


class CallAnswer(StrictModel):
    """A call without any identifying field."""

    call_id: str
    queue: str
    direction: str
    started_at: Timestamp
    ended_at: Timestamp | None
    opened_at: Timestamp
    decision: DecisionAnswer
    recordings: list[RecordingOfCall]
    more_recordings: bool


class MediaAnswer(StrictModel):
    """What was measured of the media. `size` in bytes; findings as stable codes."""

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration_seconds: float
    bytes_per_second: int
    size: int
    findings: list[str]


class RetentionAnswer(StrictModel):
    """How long the recording is kept, and why."""

    retention_class: str
    retain_until: Timestamp
    delete_after: Timestamp
    citation: str
    policy_version: str


class RecordingTaken(StrictModel):
    """A recording is encrypted, durable and on record; `quarantined` when it is kept apart for the reasons given.

    `receipt` is a compact JWS. Where Repr-Digest was sent, `sender_commitment` is SHA-256 of
    `receipt_commitment_nonce` followed by the digest, both base64url.
    """

    recording_id: str
    call_id: str
    state: str
    reasons: list[str]
    receipt: str
    manifest_sha256: str
    key_id: str
    event_id: str
    sealed_at: Timestamp
    decision: DecisionAnswer
    retention: RetentionAnswer
    media: MediaAnswer
    sender_commitment: str | None = None
    receipt_commitment_nonce: str | None = None


class RecordingAnswer(StrictModel):
    """A recording as its sender may see it again."""

    recording_id: str
    call_id: str
    state: str
    reasons: list[str]
    receipt: str | None
    sealed_at: Timestamp | None
    retain_until: Timestamp | None
    media: MediaAnswer | None


class ReceiptAnswer(StrictModel):
    """The receipt of a recording: a compact JWS."""

    recording_id: str
    receipt: str


class JsonWebKey(BaseModel):
    """An Ed25519 public key (RFC 8037); `callward_document_type` says what it signs."""

    kty: str
    crv: str
    alg: str
    use: str
    kid: str
    x: str
    callward_document_type: str


class JsonWebKeySet(BaseModel):
    """The public signing keys with their history (RFC 7517)."""

    keys: list[JsonWebKey]
