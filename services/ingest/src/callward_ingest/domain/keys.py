"""Data keys, receipts and public signing keys, as key-management gives them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from callward_ingest.domain.decisions import Decision, Plan


class SubjectKind(StrEnum):
    """What a data key is for; decides which one subkey ingest gets."""

    call = "call"
    recording = "recording"
    call_revision = "call-revision"


@dataclass(frozen=True, slots=True)
class Subject:
    """The owner of a data key with its upload's secret (32 bytes): who knows that may seal or give up the open key."""

    tenant: str
    kind: SubjectKind
    subject_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataKey:
    """An open data key: its id, commitment (32 bytes) and the subkeys asked for (32 bytes each, never shown).

    `subkey`: a recording's `original`, else the metadata's. `peaks`: empty where the key is no recording's.
    """

    key_id: str
    commitment: bytes
    subkey: bytes = field(repr=False)
    peaks: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ReceiptStatement:
    """What a receipt states. `sender_commitment` is SHA-256(r ‖ digest), or empty where no Repr-Digest was sent."""

    recording_id: str
    call_id: str
    state: str
    reasons: tuple[str, ...]
    manifest_sha256: bytes
    key_id: str
    decision: Decision
    plan: Plan
    event_id: str
    sender_commitment: bytes
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed receipt: the compact JWS and the SHA-256 of its bytes."""

    jws: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half (32 bytes, Ed25519) of a signing key and the type of document that it signs."""

    key_id: str
    document_type: str
    public_key: bytes
