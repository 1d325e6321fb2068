"""What one upload is: the request, what was opened for it, and what of it was stored."""

from dataclasses import dataclass

from callward_common.errors import CallwardError, Category, JsonValue
from callward_common.identity import Actor
from callward_ingest.app.answers import base64url
from callward_ingest.app.intake import StatedDigests
from callward_ingest.domain.calls import Call
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.errors import UploadFailed
from callward_ingest.domain.fingerprints import FingerprintKey
from callward_ingest.domain.keys import DataKey, Subject
from callward_ingest.domain.media import MediaFacts
from callward_ingest.domain.recordings import Attempt, Part

OPERATION = "recordings.create"


@dataclass(frozen=True, slots=True)
class Upload:
    """One request to take a recording in. `key` is the Idempotency-Key."""

    tenant: str
    actor: Actor
    call_id: str
    key: str
    stated: StatedDigests


@dataclass(slots=True)
class Progress:
    """How far an attempt has come: what has to be undone when it fails."""

    upload: Upload
    recording_id: str
    attempt: Attempt | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt that may take its first byte: permitted, planned, with a key."""

    upload: Upload
    call: Call
    attempt: Attempt
    plan: Plan
    subject: Subject
    data_key: DataKey
    fingerprint_key: FingerprintKey


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that was taken whole: the part it became, what was measured, and its fingerprint."""

    part: Part
    facts: MediaFacts
    fingerprint: bytes


def with_nonce(body: dict[str, JsonValue], key: FingerprintKey) -> dict[str, JsonValue]:
    """Adds r to an answer whose receipt commits to the sender's digest. r is made again each time, never stored."""
    if "senderCommitment" not in body:
        return body
    nonce = key.receipt_nonce(str(body["recordingId"]))
    return {**body, "receiptCommitmentNonce": base64url(nonce)}


def retryable(error: CallwardError, retry_after: float) -> CallwardError:
    """Gives the error to answer with: a neighbour that is away becomes 503 with Retry-After, others stay."""
    if error.category in (Category.unavailable, Category.deadline) and not isinstance(error, UploadFailed):
        return UploadFailed(
            "The recording could not be put on record, and nothing of it is kept. Send it again with the same key.",
            retry_after=error.retry_after or retry_after,
        )
    return error
