"""What the gateway knows: acts, recordings as it reads them, listening sessions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from callward_access.domain.history import SealedRevision
from callward_access.domain.marks import ControlMark

SEALED = "sealed"


class Act(StrEnum):
    """What somebody wants to do. Each is a right of its own."""

    list = "list"
    view = "view"
    listen = "listen"
    download = "download"


@dataclass(frozen=True)
class Level:
    """How loud one channel is: dBFS, share of time that is silent (0 to 1), samples at the limit of the coding."""

    rms_dbfs: float
    peak_dbfs: float
    silence: float
    clipped: int


@dataclass(frozen=True)
class Media:
    """What was measured of a recording's media. Bytes per second is the pace of listening; one level per channel.

    `masked`: what is silence instead of what was said, (start, end) in microseconds of the recording.
    """

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration: timedelta
    bytes_per_second: int
    size: int
    levels: Sequence[Level] = ()
    masked: Sequence[tuple[int, int]] = ()


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
class Manifest:
    """A manifest's exact bytes: facts about ciphertext, not audio."""

    raw: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> bytes:
        """Their hash, to compare with the one registered at sealing."""
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True)
class Recording:
    """One recording with what is needed to open it. For playing, there is nothing in it of its call."""

    summary: Summary
    key_id: str
    manifest: Manifest
    call_metadata: bytes = field(repr=False)
    revisions: Sequence[SealedRevision] = ()
    marks: Sequence[ControlMark] = ()
    more_marks: bool = False

    def etag(self, rendition: str) -> str:
        """Return the strong entity tag of a rendition, quotes included (RFC 9110 section 8.8.3)."""
        return f'"{self.manifest.sha256.hex()[:32]}-{rendition}"'


@dataclass(frozen=True)
class Rendition:
    """What a recording's manifest says of one rendition. `size` in bytes of plaintext."""

    name: str
    media_type: str
    size: int


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
