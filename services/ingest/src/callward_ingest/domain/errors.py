"""The problems that ingest alone reports. Details name limits and codes, never a caller's values."""

from collections.abc import Mapping

from callward_common.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidRequest,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unavailable,
)


class CallNotFound(NotFound):
    """The tenant has no such call. Another tenant's call looks the same."""

    type = "call-not-found"
    title = "Call not found"


class RecordingNotFound(NotFound):
    """The tenant has no such recording. Another tenant's recording looks the same."""

    type = "recording-not-found"
    title = "Recording not found"


class ProofNotYet(NotFound):
    """The receipt's event is on its way into the log, or waits there for its checkpoint. It takes seconds."""

    type = "proof-not-yet"
    title = "No proof yet"


class ConsentRequired(Forbidden):
    """The call may not be recorded as things stand; `extra` holds the decision with its rule and citation."""

    type = "consent-required"
    title = "No lawful basis for recording"


class LegNotFound(NotFound):
    """The call has no such leg: it is added before anything is said of it."""

    type = "leg-not-found"
    title = "Leg not found"


class LegExists(Conflict):
    """The call has a leg of this id with other properties: a leg never changes."""

    type = "leg-exists"
    title = "Leg exists"


class MarkOutOfOrder(Conflict):
    """The mark ends what is not open, or lies before the last mark of its kind. `open` and `kind` say which."""

    type = "mark-out-of-order"
    title = "Mark out of order"


class MaskTooLong(InvalidRequest):
    """A mask that is known beforehand lasts longer than masks may; `limit` in seconds."""

    type = "mask-too-long"
    title = "Mask too long"


class EvidenceSilenced(Conflict):
    """An announcement or a spoken consent would lie in silence: a pause must not hide what consent rests on."""

    type = "evidence-silenced"
    title = "Evidence would be silenced"


class CallLimitReached(Conflict):
    """The call has as many legs or marks as it may; `of` and `limit` say which and how many."""

    type = "call-limit-reached"
    title = "Call limit reached"


class CallAlreadyEnded(Conflict):
    """The call has ended at another moment than the one stated now."""

    type = "call-already-ended"
    title = "Call already ended"


class DateInFuture(InvalidRequest):
    """A date lies further in the future than clocks may differ."""

    type = "date-in-future"
    title = "Date in the future"


class DateBeforeCall(InvalidRequest):
    """A date lies before the start of the call it belongs to."""

    type = "date-before-call"
    title = "Date before the call"


class DateTooOld(InvalidRequest):
    """A call is older than any recording can be."""

    type = "date-too-old"
    title = "Date too old"


class IdempotencyKeyRequired(InvalidRequest):
    """An upload without an Idempotency-Key could not be retried without making a second recording."""

    type = "idempotency-key-required"
    title = "Idempotency-Key required"


class IdempotencyKeyReused(Conflict):
    """The key was used for another request."""

    type = "idempotency-key-reused"
    title = "Idempotency-Key used for another request"


class IdempotencyKeyInUse(Conflict):
    """A request with this key is under way. Try again after it has ended."""

    type = "idempotency-key-in-use"
    title = "Idempotency-Key in use"


class DigestMismatch(InvalidRequest):
    """The body does not have the digest that its sender stated (RFC 9530)."""

    type = "digest-mismatch"
    title = "Digest mismatch"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says that every byte had come, where it is the digest of the whole that is wrong."""
        return {"Upload-Complete": "?1"} if self.extra.get("header") == "Repr-Digest" else {}


class BodyTooLarge(TooLarge):
    """The body is larger than the limit for its kind."""

    type = "body-too-large"
    title = "Body too large"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Gives the limit as the draft on resumable uploads demands (section 4.1.4)."""
        return {"Upload-Limit": f"max-size={self.extra['limit']}"} if "limit" in self.extra else {}


class BodyIncomplete(InvalidRequest):
    """The sender stopped before the body was whole."""

    type = "body-incomplete"
    title = "Body incomplete"


class BodyTimeout(InvalidRequest):
    """The sender sent nothing, or next to nothing, for too long (RFC 9110 section 15.5.9)."""

    type = "body-timeout"
    title = "Body timeout"

    @property
    def http_status(self) -> int:
        """408: no category stands for it, since it exists in HTTP only."""
        return 408

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Closes the connection: what the sender may still send is not waited for."""
        return {"Connection": "close"}


class UploadsBusy(Unavailable):
    """This process has as many uploads under way as it may."""

    type = "uploads-busy"
    title = "Too many uploads under way"


class UploadFailed(Unavailable):
    """The upload could not be put on record; nothing of it is kept. The same request may be sent again."""

    type = "upload-failed"
    title = "Upload not put on record"


class UploadNotFound(NotFound):
    """The tenant has no such upload. Another tenant's upload looks the same."""

    type = "upload-not-found"
    title = "Upload not found"


class UploadEnded(Gone):
    """The upload was cancelled, has expired or has failed; `state` says which. Nothing of it is kept."""

    type = "upload-ended"
    title = "Upload ended"


class MismatchingUploadOffset(Conflict):
    """The append does not begin where the upload ends; `expected-offset` says where that is."""

    type = "mismatching-upload-offset"
    title = "Mismatching upload offset"
    type_uri = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Gives the right offset, as the draft demands."""
        return {"Upload-Offset": str(self.extra["expected-offset"])}


class CompletedUpload(InvalidRequest):
    """The upload is complete: nothing can be appended any more."""

    type = "completed-upload"
    title = "Upload already completed"
    type_uri = "https://iana.org/assignments/http-problem-types#completed-upload"


class InconsistentUploadLength(InvalidRequest):
    """The lengths that were stated do not agree with each other, or with what came."""

    type = "inconsistent-upload-length"
    title = "Inconsistent upload length"
    type_uri = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"


class UploadInterrupted(Unavailable):
    """The platform stops, or a newer request took the upload over. What was acknowledged is kept: resume."""

    type = "upload-interrupted"
    title = "Upload interrupted"


class UploadNotSealed(Unavailable):
    """Every byte is kept, but a neighbour is away: the recording is sealed as soon as it is back."""

    type = "upload-not-sealed"
    title = "Upload not yet sealed"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says that every byte has come: sending them again would not help."""
        return {**super().http_headers, "Upload-Complete": "?1"}


class TooManyUploads(TooManyRequests):
    """The tenant has as many uploads open, or as many bytes taken in within a day, as it may."""

    type = "too-many-uploads"
    title = "Too many uploads"


class TooManyParts(InvalidRequest):
    """The upload was sent in more pieces than one recording may have."""

    type = "too-many-parts"
    title = "Too many parts"


class MetadataFixed(InvalidRequest):
    """A patch names a member of a call that cannot change; `field` and `pointer` say which."""

    type = "metadata-fixed"
    title = "The field cannot be changed"


class UnknownParty(InvalidRequest):
    """The request names a party that the call does not have. The consent service reports the same."""

    type = "unknown-party"
    title = "Unknown party"


class RevisionNotCurrent(Conflict):
    """If-Match names another revision than the newest (RFC 9110 section 13.1.1); `revision` is the newest."""

    type = "revision-not-current"
    title = "Revision not current"

    @property
    def http_status(self) -> int:
        """412: no category stands for it, since it exists in HTTP only."""
        return 412


class TooManyRevisions(Conflict):
    """The call has as many revisions as a call may have; `limit` says how many."""

    type = "too-many-revisions"
    title = "Too many revisions"


class ReconciliationNotFound(NotFound):
    """The tenant has no such reconciliation. Another tenant's looks the same."""

    type = "reconciliation-not-found"
    title = "Reconciliation not found"


class ReconciliationTooLarge(TooLarge):
    """More calls are named, or lie in the range, than one reconciliation may hold; `limit` says how many."""

    type = "reconciliation-too-large"
    title = "Reconciliation too large"


class InvalidRange(InvalidRequest):
    """A range of time is empty, turned round or too long, or a moment lies outside it; `pointer` says where."""

    type = "invalid-range"
    title = "Invalid range"
