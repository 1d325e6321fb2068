"""The errors of key-management, each with its stable type."""

from enum import StrEnum

from callward_common.errors import CallwardError, Category, InternalError, Unavailable


class RefusalReason(StrEnum):
    """Why transit did not open a wrap."""

    version_too_old = "version-too-old"
    version_trimmed = "version-trimmed"
    version_unknown = "version-unknown"
    not_authentic = "not-authentic"
    malformed = "malformed"


class WrapRefused(CallwardError):
    """Transit did not open a wrap, for the reason it states.

    `not-authentic` covers a wrong context, a corrupted wrap and one of another key alike: AES-GCM (NIST SP 800-38D
    section 7.2) tells no more than that the tag does not fit. `version-trimmed` is stated where the minimum
    *available* version is above the wrap's, `version-too-old` where only the minimum *decryption* version is.
    """

    category = Category.internal
    type = "wrap-refused"
    title = "The stored wrap does not open"

    def __init__(self, reason: RefusalReason, *, index: int | None = None) -> None:
        """`index`: the wrap's place in a batch."""
        super().__init__("Transit did not open a wrap.", extra={"reason": reason.value})
        self.reason = reason
        self.index = index


class TransitKeyMissing(CallwardError):
    """Transit has no key of this name: it was never made, or it was deleted."""

    category = Category.internal
    type = "transit-key-missing"
    title = "Transit has no such key"


class TransitRefused(CallwardError):
    """Transit was asked for what its rules forbid: a key of another kind, a trim above the minimum versions."""

    category = Category.internal
    type = "transit-refused"
    title = "Transit refused"


class TransitUnavailable(Unavailable):
    """Transit does not answer. Nothing is known of the outcome, and nothing is proved by it."""

    type = "transit-unavailable"
    title = "Transit does not answer"


class CommitmentMismatch(InternalError):
    """A stored wrap opened to another key than the one committed to: nothing is given out."""

    type = "commitment-mismatch"
    title = "The stored wrap is not the committed key's"


class KeyRefusal(CallwardError):
    """Somebody asked for a key and is refused. The base of the refusals that go on record as KeyRefused."""


class KeyNotFound(KeyRefusal):
    """The tenant has no key for this subject. Another tenant's key looks the same."""

    category = Category.not_found
    type = "key-not-found"
    title = "No such key"


class KeyExists(KeyRefusal):
    """The subject has a key already: a subject gets one, once."""

    category = Category.conflict
    type = "key-exists"
    title = "The subject has a key"


class WrongUploadSecret(KeyRefusal):
    """The upload's secret is not the one whose hash was given at issue."""

    category = Category.forbidden
    type = "wrong-upload-secret"
    title = "Wrong upload secret"


class KeyExpired(KeyRefusal):
    """The limit until which the open key may be issued again or sealed has passed."""

    category = Category.precondition
    type = "key-expired"
    title = "The open key's time is over"


class KeyAlreadySealed(KeyRefusal):
    """The key is sealed: ingest never has it again and cannot give it up."""

    category = Category.precondition
    type = "key-sealed"
    title = "The key is sealed"


class KeyNotSealed(KeyRefusal):
    """The key is still open: what it protects is not complete, and nobody opens it."""

    category = Category.precondition
    type = "key-not-sealed"
    title = "The key is not sealed"


class KeyShredded(KeyRefusal):
    """The key is marked for destruction, or destroyed: nobody opens it any more."""

    category = Category.gone
    type = "key-shredded"
    title = "The key is marked for destruction or destroyed"


class ManifestConflict(KeyRefusal):
    """The key was sealed with another manifest's hash."""

    category = Category.conflict
    type = "manifest-conflict"
    title = "Sealed with another manifest"


class UnknownPurpose(KeyRefusal):
    """The purpose is no code of HL7's v3-PurposeOfUse value set."""

    category = Category.invalid
    type = "unknown-purpose"
    title = "Unknown purpose of use"


class TenantNotActive(KeyRefusal):
    """The tenant is not known here, or suspended: no key is made for it."""

    category = Category.forbidden
    type = "tenant-not-active"
    title = "The tenant is not known or not active"


class ManifestMismatch(CallwardError):
    """A document states another manifest or key than those registered for the recording: it is not signed."""

    category = Category.precondition
    type = "manifest-mismatch"
    title = "Not the registered manifest"


class CallNotRegistered(CallwardError):
    """A mark is about a call that has no sealed key: it is not on record, or it is being destroyed."""

    category = Category.precondition
    type = "call-not-registered"
    title = "Not a registered call"


class CheckpointConflict(CallwardError):
    """A checkpoint does not grow out of the last one signed: another root, a smaller size, or no valid proof."""

    category = Category.conflict
    type = "checkpoint-conflict"
    title = "The checkpoint contradicts an earlier one"
