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


class ActorAnswer(StrictModel):
    """Who did something: a client's id as its issuer knows it."""

    kind: str
    id: str
    issuer: str


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
    legs: int
    marks: int


class LevelAnswer(StrictModel):
    """How loud one channel is: dBFS, share of time that is silent (0 to 1), samples at the limit of the coding."""

    rms_dbfs: float
    peak_dbfs: float
    silence: float
    clipped: int


class MediaAnswer(StrictModel):
    """What was measured of the media. `size` in bytes; findings as stable codes; levels per channel."""

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration_seconds: float
    bytes_per_second: int
    size: int
    findings: list[str]
    levels: list[LevelAnswer]


class MaskedRangeAnswer(StrictModel):
    """What was replaced by silence: microseconds of the recording's own clock, the end excluded."""

    start_microseconds: int
    end_microseconds: int


class RetentionAnswer(StrictModel):
    """How long the recording is kept, and why."""

    retention_class: str
    retain_until: Timestamp
    delete_after: Timestamp
    citation: str
    policy_version: str


class RecordingTaken(StrictModel):
    """A recording is encrypted, durable and on record; `quarantined` when it is kept apart for the reasons given.

    `receipt` is a compact JWS. `masked_ranges` say where what is kept is silence instead of what was sent. Where Repr-Digest was sent, `sender_commitment` is SHA-256 of
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
    masked_ranges: list[MaskedRangeAnswer]
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
    masked_ranges: list[MaskedRangeAnswer]
    leg_id: str | None
    started_at: Timestamp | None


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
