"""What key-management tells the others."""

from dataclasses import dataclass
from datetime import datetime

from callward_common.identity import Actor
from callward_keys.domain.model import Subject


@dataclass(frozen=True, slots=True)
class KeyIssued:
    """A data key was issued; `again`: an open one, to the same upload."""

    actor: Actor
    key_id: str
    subject: Subject
    bucket: str
    commitment: bytes
    again: bool


@dataclass(frozen=True, slots=True)
class KeySealed:
    """A data key was sealed: ingest never has it again."""

    actor: Actor
    key_id: str
    subject: Subject
    manifest_sha256: bytes


@dataclass(frozen=True, slots=True)
class KeyShredPending:
    """A data key was marked for destruction."""

    actor: Actor
    key_id: str
    subject: Subject
    reason: str


@dataclass(frozen=True, slots=True)
class KeyOpened:
    """A subkey was opened for a person."""

    actor: Actor
    key_id: str
    subject: Subject
    subkey: str
    purpose: str
    grant_event_id: str
    lease_expires_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Somebody asked for a key and was refused."""

    actor: Actor
    subject: Subject
    reason: str


@dataclass(frozen=True, slots=True)
class DocumentSigned:
    """A document was signed: its hash is on record."""

    actor: Actor
    document_type: str
    tenant_id: str
    subject_id: str
    sha256: bytes
    signing_key_id: str


DomainEvent = KeyIssued | KeySealed | KeyShredPending | KeyOpened | KeyRefused | DocumentSigned
