"""Recordings, their manifests and states."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callward_ingest.domain.keys import Receipt
from callward_ingest.domain.media import ChannelLevel

ORIGINAL = "original"
"""The rendition that holds the bytes as they were sent."""
PEAKS = "peaks"
"""The rendition that holds the waveform, to be drawn."""
PEAKS_TYPE = "application/octet-stream"
"""The media type of peaks: audiowaveform's binary format."""
FORMAT = "callward/1"
"""The object format of sealing.md section 1."""


class RecordingState(StrEnum):
    """The states of a recording. It leaves `receiving` once and then stays as it is."""

    receiving = "receiving"
    sealed = "sealed"
    quarantined = "quarantined"
    abandoned = "abandoned"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of the media while it streamed: sizes in bytes, findings as stable codes, levels per channel."""

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration: timedelta
    bytes_per_second: int
    size: int
    findings: tuple[str, ...]
    levels: tuple[ChannelLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One stream in one object. Sizes in bytes; `header` 40 bytes; the hash is of the ciphertext."""

    object_key: str
    version_id: str
    plaintext_size: int
    ciphertext_size: int
    header: bytes
    ciphertext_sha256: bytes


@dataclass(frozen=True, slots=True)
class Rendition:
    """One rendition: its parts in order, each one stream in one object.

    `masked`: what was replaced by silence, (start, end) in microseconds of the recording's own clock.
    """

    name: str
    media_type: str
    parts: tuple[Part, ...]
    masked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a recording (sealing.md section 1)."""

    tenant_id: str
    recording_id: str
    key_id: str
    key_commitment: bytes
    renditions: tuple[Rendition, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to receive a recording. Its object key was never used before and says nothing."""

    recording_id: str
    call_id: str
    queue: str
    object_key: str
    started_at: datetime
    leg_id: str | None = None
    clock_started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """All that is put on record when a recording is sealed or quarantined."""

    recording_id: str
    call_id: str
    state: RecordingState
    reasons: tuple[str, ...]
    key_id: str
    manifest: bytes
    manifest_sha256: bytes
    sidecar_key: str
    sidecar_version: str
    receipt: Receipt
    event_id: str
    sealed_at: datetime
    decision_id: str
    retention_class: str
    retain_until: datetime
    delete_after: datetime
    retention_citation: str
    media: Measured
    masked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording on record. `media`, `receipt` and what belongs to sealing are None while it is received."""

    recording_id: str
    call_id: str
    queue: str
    call_started_at: datetime
    state: RecordingState
    reasons: tuple[str, ...]
    object_key: str
    key_id: str | None = None
    sealed_at: datetime | None = None
    retain_until: datetime | None = None
    retention_class: str | None = None
    retention_citation: str | None = None
    receipt: Receipt | None = None
    media: Measured | None = None
    leg_id: str | None = None
    clock_started_at: datetime | None = None
    masked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Which recordings of a list are wanted. `before` is the last id of the page before: newest first."""

    states: tuple[RecordingState, ...]
    limit: int
    queue: str | None = None
    call_id: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of recordings, newest first; `more` is True when others follow."""

    recordings: tuple[Recording, ...]
    more: bool
