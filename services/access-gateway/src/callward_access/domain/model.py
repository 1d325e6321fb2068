"""What the gateway knows: acts, recordings as it reads them, listening sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

SEALED = "sealed"


class Act(StrEnum):
    """What somebody wants to do. Each is a right of its own."""

    list = "list"
    view = "view"
    listen = "listen"
    download = "download"


@dataclass(frozen=True)
class Media:
    """What was measured of a recording's media. Bytes per second is the pace of listening."""

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration: timedelta
    bytes_per_second: int
    size: int


@dataclass(frozen=True)
class Summary:
    """A recording as lists show it: no identifying field."""

    recording_id: str
    call_id: str
    state: str
    reasons: Sequence[str]
    queue: str
    call_started_at: datetime
    sealed_at: datetime
    media: Media
    retain_until: datetime
    retention_class: str
    retention_citation: str


@dataclass(frozen=True)
class Recording:
    """One recording with what is needed to open it. The manifest's bytes are ciphertext facts, not audio."""

    summary: Summary
    key_id: str
    manifest: bytes = field(repr=False)
    call_metadata: bytes = field(repr=False)


@dataclass(frozen=True)
class Page:
    """A page of recordings; `next` is empty at the end."""

    recordings: Sequence[Summary]
    next: str


@dataclass(frozen=True)
class UseDecision:
    """Whether consent permits using a recording."""

    decision_id: str
    permitted: bool
    outcome: str


@dataclass(frozen=True)
class PolicyAnswer:
    """What the policies said. `policies` are the ids of those that decided."""

    allowed: bool
    policies: Sequence[str]
    failed: bool = False


@dataclass(frozen=True)
class ListeningSession:
    """A grant to listen: who, to what, for which purpose, and until when. It holds no token and no key."""

    session_id: str
    tenant_id: str
    recording_id: str
    subject: str
    issuer: str
    purpose: str
    rendition: str
    grant_event_id: str
    opened_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Lease:
    """One subkey for a short time, and the manifest hash registered at sealing."""

    key: bytes = field(repr=False)
    manifest_sha256: bytes = field(repr=False)
    expires_at: datetime
