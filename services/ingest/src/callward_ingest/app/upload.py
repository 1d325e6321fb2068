"""What one upload is asked for with, and what is open for it while bytes come in."""

from dataclasses import dataclass, field
from datetime import datetime

from callward_common.errors import CallwardError, Category, JsonValue
from callward_common.identity import Actor
from callward_ingest.app.answers import base64url
from callward_ingest.domain.errors import UploadFailed, UploadNotSealed
from callward_ingest.domain.fingerprints import FingerprintKey
from callward_ingest.domain.keys import DataKey
from callward_ingest.domain.uploads import StatedDigests, Upload

OPERATION = "recordings.create"


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A request to take a recording in. `key`: the Idempotency-Key; `length`: bytes in all, where stated.

    `leg` and `started_at`: the leg that was recorded, and when its own clock began.
    """

    tenant: str
    actor: Actor
    call_id: str
    media_type: str
    stated: StatedDigests = field(default_factory=StatedDigests)
    key: str | None = None
    length: int | None = None
    resumable: bool = False
    leg: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that may take bytes: permitted, planned, with its key."""

    upload: Upload
    data_key: DataKey
    fingerprint_key: FingerprintKey


def with_nonce(body: dict[str, JsonValue], key: FingerprintKey) -> dict[str, JsonValue]:
    """Adds r to an answer whose receipt commits to the sender's digest. r is made again each time, never stored."""
    if "senderCommitment" not in body:
        return body
    nonce = key.receipt_nonce(str(body["recordingId"]))
    return {**body, "receiptCommitmentNonce": base64url(nonce)}


def retryable(error: CallwardError, retry_after: float) -> CallwardError:
    """Gives the error to answer with: a neighbour that is away becomes 503 with Retry-After, others stay."""
    away = error.category in (Category.unavailable, Category.deadline)
    if away and error.type not in _SAYS_IT_ITSELF:
        return UploadFailed(
            "The recording could not be put on record, and nothing of it is kept. Send it again with the same key.",
            retry_after=error.retry_after or retry_after,
        )
    return error


def not_sealed(error: CallwardError, retry_after: float) -> CallwardError:
    """Gives the error to answer with when a whole upload could not be sealed now."""
    if error.category in (Category.unavailable, Category.deadline):
        return UploadNotSealed(
            "Every byte is kept; the recording is sealed as soon as that is possible. Ask again for its receipt.",
            retry_after=error.retry_after or retry_after,
        )
    return error


_SAYS_IT_ITSELF = frozenset({UploadFailed.type, "upload-interrupted", "upload-not-sealed", "uploads-busy"})
