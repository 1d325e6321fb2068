"""Uploads: how much of a recording has come, and the states that an upload passes through."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from callward_common.errors import JsonValue
from callward_common.identity import Actor
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.errors import InconsistentUploadLength
from callward_ingest.domain.keys import Subject, SubjectKind
from callward_ingest.domain.recordings import Measured


class UploadState(StrEnum):
    """The states of an upload. It only ever moves down this list, and the last four are ends."""

    receiving = "receiving"
    completing = "completing"
    complete = "complete"
    cancelled = "cancelled"
    expired = "expired"
    failed = "failed"


#: An upload in one of these has ended without a recording.
GIVEN_UP = frozenset({UploadState.cancelled, UploadState.expired, UploadState.failed})


@dataclass(frozen=True, slots=True)
class StatedDigests:
    """The SHA-256 digests (32 bytes each) that the sender stated, None where it stated none (RFC 9530)."""

    content: bytes | None = None
    representation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload on record. Its id is the recording's.

    `received`: bytes that are durable and never have to be sent again. `length`: bytes in all, None while unknown.
    `epoch` changes with every append, so that an append that was overtaken cannot commit. `secret` (32 bytes) lets
    the key be issued again while it is open; None once the upload has ended. `resumable` False: whole or nothing.
    `commitment`: SHA-256(r ‖ digest) where the sender stated the digest of the whole, since a plain hash of a recording
    would let whoever reads it test a guess. `leg_id`: the leg that was recorded, None for the whole call;
    `clock_started_at`: when the recording's own clock began, None where nobody said so. `fingerprint_day`: the day whose fingerprint key makes r.
    """

    upload_id: str
    tenant: str
    actor: Actor
    call_id: str
    queue: str
    object_key: str
    resumable: bool
    media_type: str
    plan: Plan
    commitment: bytes | None
    fingerprint_day: date
    created_at: datetime
    expires_at: datetime
    idempotency_key: str | None = None
    state: UploadState = UploadState.receiving
    received: int = 0
    length: int | None = None
    epoch: int = 0
    parts: int = 0
    fingerprint: bytes | None = None
    reason: str | None = None
    answer: dict[str, JsonValue] | None = None
    prepared: "Prepared | None" = None
    leg_id: str | None = None
    clock_started_at: datetime | None = None
    secret: bytes | None = field(default=None, repr=False)

    @property
    def whole(self) -> bool:
        """True once every byte has come: it is a recording, or becomes one without the sender."""
        return self.state in (UploadState.completing, UploadState.complete)

    @property
    def subject(self) -> Subject:
        """The owner of the data key. Raises ValueError once the upload has ended."""
        if self.secret is None:
            raise ValueError("an upload that has ended has no secret")
        return Subject(self.tenant, SubjectKind.recording, self.upload_id, self.secret)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is settled of a recording before its key is sealed: made once, so that sealing may be done again.

    `reasons`: codes for which the media itself is kept apart, whatever consent says. `masked`: what was replaced by
    silence, (start, end) in microseconds of the recording's own clock.
    """

    manifest: bytes
    manifest_sha256: bytes
    sidecar_key: str
    sidecar_version: str
    key_id: str
    media: Measured
    reasons: tuple[str, ...]
    masked: tuple[tuple[int, int], ...] = ()


def settled_length(known: int | None, *stated: int | None) -> int | None:
    """Returns the length that all indicators agree on. Raises InconsistentUploadLength (section 4.1.3 of the draft)."""
    values = {value for value in (known, *stated) if value is not None}
    if len(values) > 1:
        raise InconsistentUploadLength("The lengths that were stated do not agree.")
    return values.pop() if values else None
