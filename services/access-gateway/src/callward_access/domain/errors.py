"""The errors that the access gateway raises, each with its stable type."""

from collections.abc import Mapping

from callward_common.errors import CallwardError, Category


class PolicyForbids(CallwardError):
    """No policy permits the act, or one forbids it."""

    category = Category.forbidden
    type = "policy-forbids"
    title = "The policies do not permit this"


class PurposeRequired(CallwardError):
    """An act on a recording was asked for without its purpose of use."""

    category = Category.forbidden
    type = "purpose-required"
    title = "A purpose of use is required"


class UnknownPurpose(CallwardError):
    """The purpose is no code of HL7's purposes of use."""

    category = Category.invalid
    type = "unknown-purpose"
    title = "The purpose of use is not known"


class RecordingNotFound(CallwardError):
    """There is no such recording for this tenant; another tenant's looks the same."""

    category = Category.not_found
    type = "recording-not-found"
    title = "No such recording"


class ConsentForbids(CallwardError):
    """The recording may not be used: its consent does not permit it."""

    category = Category.forbidden
    type = "consent-forbids"
    title = "Consent does not permit this"


class NotPlayable(CallwardError):
    """The recording is kept apart, or its media cannot be played."""

    category = Category.conflict
    type = "recording-not-playable"
    title = "The recording cannot be played"


class NoSuchRendition(CallwardError):
    """The recording has no rendition of this name."""

    category = Category.not_found
    type = "no-such-rendition"
    title = "No such rendition"


class AuditUnavailable(CallwardError):
    """The audit log is too far behind, or unknown: no audit, no bytes."""

    category = Category.unavailable
    type = "audit-unavailable"
    title = "The audit log is not keeping up"


class SessionNotFound(CallwardError):
    """There is no such listening session for whoever asks, or it has ended."""

    category = Category.not_found
    type = "listening-session-not-found"
    title = "No such listening session"


class RangeNotSatisfiable(CallwardError):
    """The range lies outside the media (RFC 9110 section 15.5.17)."""

    category = Category.range
    type = "range-not-satisfiable"
    title = "The range cannot be satisfied"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """The size that does exist (RFC 9110 section 14.4)."""
        return {"Content-Range": f"bytes */{self.extra['size']}"}


class IntegrityFailure(CallwardError):
    """What is stored is not what was sealed. Nothing of it is shown."""

    category = Category.internal
    type = "integrity-failure"
    title = "What is stored is not what was sealed"


class InvalidTenant(CallwardError):
    """A tenant document is not acceptable."""

    category = Category.invalid
    type = "invalid-tenant"
    title = "The tenant is not acceptable"


class AudienceTaken(CallwardError):
    """An (issuer, audience) belongs to another tenant: one tenant's identity provider cannot mint another's."""

    category = Category.conflict
    type = "issuer-audience-taken"
    title = "The issuer and audience belong to another tenant"
