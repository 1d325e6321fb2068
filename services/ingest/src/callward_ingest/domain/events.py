"""What ingest puts on record. No field holds anything that identifies a person."""

from dataclasses import dataclass
from datetime import datetime

from callward_common.identity import Actor
from callward_ingest.domain.recordings import Measured


@dataclass(frozen=True, slots=True)
class CallOpened:
    """A call platform opened a call."""

    actor: Actor
    call_id: str
    queue: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call ended."""

    actor: Actor
    call_id: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class RecordingRefused:
    """An upload was refused before its first byte, for want of a lawful basis."""

    actor: Actor
    call_id: str
    decision_id: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordingSealed:
    """A recording was sealed."""

    actor: Actor
    recording_id: str
    call_id: str
    key_id: str
    manifest_sha256: bytes
    receipt_sha256: bytes
    decision_id: str
    retain_until: datetime
    media: Measured


@dataclass(frozen=True, slots=True)
class RecordingQuarantined:
    """A recording was sealed and kept apart."""

    actor: Actor
    recording_id: str
    call_id: str
    key_id: str
    manifest_sha256: bytes
    receipt_sha256: bytes
    reasons: tuple[str, ...]
    media: Measured


@dataclass(frozen=True, slots=True)
class UploadAbandoned:
    """An upload was given up: nothing of it is kept."""

    actor: Actor
    recording_id: str
    call_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """Somebody was refused at the door."""

    actor: Actor
    action: str
    reason: str


DomainEvent = (
    CallOpened
    | CallEnded
    | RecordingRefused
    | RecordingSealed
    | RecordingQuarantined
    | UploadAbandoned
    | AccessDenied
)
