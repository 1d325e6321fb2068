"""What ingest puts on record. No field holds anything that identifies a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from callward_common.identity import Actor
from callward_ingest.domain.reconciliation import Finding, Range
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
class CallMetadataRevised:
    """A call's metadata was revised: the names of the fields, no value."""

    actor: Actor
    call_id: str
    revision_id: str
    revision: int
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReconciliationMade:
    """Calls that somebody placed were compared with those on record."""

    actor: Actor
    reconciliation_id: str
    range: Range
    counts: Mapping[Finding, int]


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
    masked: tuple[tuple[int, int], ...] = ()


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
    masked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class UploadAbandoned:
    """An upload was given up: nothing of it is kept."""

    actor: Actor
    recording_id: str
    call_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ControlMarkRecorded:
    """A call platform made a control mark. `kept_recordings` were sealed before, with sound that it silences."""

    actor: Actor
    call_id: str
    mark_id: str
    kind: str
    leg_id: str
    reason: str
    at: datetime
    until: datetime | None
    statement_sha256: bytes
    kept_recordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """Somebody was refused at the door."""

    actor: Actor
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class WebhookRegistered:
    """A webhook was registered. `host` alone of its URL: the rest may hold a secret of the receiver's."""

    actor: Actor
    webhook_id: str
    host: str
    events: tuple[str, ...]
    secret_version: int


@dataclass(frozen=True, slots=True)
class WebhookChanged:
    """A webhook was changed: `changes` says what, the rest how it is now."""

    actor: Actor
    webhook_id: str
    changes: tuple[str, ...]
    host: str
    events: tuple[str, ...]
    active: bool
    secret_version: int


@dataclass(frozen=True, slots=True)
class WebhookRemoved:
    """A webhook was removed."""

    actor: Actor
    webhook_id: str


@dataclass(frozen=True, slots=True)
class WebhookDisabled:
    """Callward disabled a webhook, for the reason given."""

    actor: Actor
    webhook_id: str
    reason: str


WebhookChange = WebhookRegistered | WebhookChanged | WebhookRemoved | WebhookDisabled

DomainEvent = (
    CallOpened
    | CallEnded
    | CallMetadataRevised
    | ReconciliationMade
    | RecordingRefused
    | RecordingSealed
    | RecordingQuarantined
    | UploadAbandoned
    | ControlMarkRecorded
    | AccessDenied
    | WebhookChange
)
