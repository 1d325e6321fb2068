"""The problems that ingest alone reports. Details name limits and codes, never a caller's values."""

from collections.abc import Mapping

from callward_common.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    TooLarge,
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


class ConsentRequired(Forbidden):
    """The call may not be recorded as things stand; `extra` holds the decision with its rule and citation."""

    type = "consent-required"
    title = "No lawful basis for recording"


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


class BodyTooLarge(TooLarge):
    """The body is larger than the limit for its kind."""

    type = "body-too-large"
    title = "Body too large"


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
