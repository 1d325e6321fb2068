"""Answers of the door for SIEM tools and auditors."""

import base64

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from callward_audit.domain.model import InclusionProof, LogHead
from callward_common.http.model import StrictModel

PROOF_FORMAT = "callward-audit-proof/1"


class LogView(StrictModel):
    """A log."""

    log: str
    origin: str
    size: int


class LogList(StrictModel):
    """All logs, newest first."""

    logs: list[LogView]


class HashList(StrictModel):
    """The hashes of a proof, base64, in the order of RFC 9162."""

    hashes: list[str]


class EventProof(BaseModel):
    """Everything needed to check offline that one event is in the log. A checkpoint has several lines."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )

    format: str = Field(description=f'Always "{PROOF_FORMAT}".')
    log: str
    origin: str
    leaf_index: int
    tree_size: int
    event: str = Field(description="The event's exact text: its UTF-8 bytes are the leaf.")
    inclusion_proof: list[str] = Field(description="Base64 hashes, in the order of RFC 9162 section 2.1.3.")
    checkpoint: str = Field(description="The C2SP signed note that covers the tree size.")


class JsonWebKey(StrictModel):
    """An Ed25519 public key (RFC 8037)."""

    kty: str
    crv: str
    use: str
    alg: str
    kid: str
    x: str
    document_type: str = Field(alias="callward_document_type")


class JsonWebKeySet(StrictModel):
    """The public keys of all documents, newest first (RFC 7517)."""

    keys: list[JsonWebKey]


def log_view(head: LogHead) -> LogView:
    """Return a log."""
    return LogView(log=head.log, origin=head.origin, size=head.size)


def event_proof(proof: InclusionProof, origin: str) -> EventProof:
    """Return a proof as a file that verifies offline."""
    return EventProof(
        format=PROOF_FORMAT,
        log=proof.checkpoint.log,
        origin=origin,
        leaf_index=proof.leaf.index,
        tree_size=proof.checkpoint.size,
        event=proof.leaf.body.decode(),
        inclusion_proof=[encode(value) for value in proof.hashes],
        checkpoint=proof.checkpoint.note,
    )


def encode(value: bytes) -> str:
    """Return base64 as C2SP formats write it."""
    return base64.b64encode(value).decode()


def key_view(key_id: str, document_type: str, public_key: bytes) -> JsonWebKey:
    """Return a public key."""
    return JsonWebKey(
        kty="OKP",
        crv="Ed25519",
        use="sig",
        alg="EdDSA",
        kid=key_id,
        x=base64.urlsafe_b64encode(public_key).decode().rstrip("="),
        document_type=document_type,
    )
