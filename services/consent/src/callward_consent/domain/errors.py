"""The errors that consent raises, each with its stable type."""

from callward_common.errors import CallwardError, Category


class UnknownCall(CallwardError):
    """The call was never taken down for this tenant."""

    category = Category.not_found
    type = "unknown-call"
    title = "The call is not known"


class CallAlreadyRegistered(CallwardError):
    """The call id is taken by a call with other parties, queue or start."""

    category = Category.conflict
    type = "call-already-registered"
    title = "The call is already registered with other facts"


class UnknownJurisdiction(CallwardError):
    """A jurisdiction code is not in the law's table."""

    category = Category.invalid
    type = "unknown-jurisdiction"
    title = "The jurisdiction is not in the table"


class UnknownParty(CallwardError):
    """Evidence or a revocation names a party that the call does not have."""

    category = Category.invalid
    type = "unknown-party"
    title = "The call has no such party"


class InvalidParties(CallwardError):
    """The parties of a call do not make a call."""

    category = Category.invalid
    type = "invalid-parties"
    title = "The parties are not acceptable"


class EvidenceIncomplete(CallwardError):
    """Evidence lacks what its kind demands."""

    category = Category.invalid
    type = "evidence-incomplete"
    title = "The evidence is incomplete"


class DateInFuture(CallwardError):
    """A moment lies in the future."""

    category = Category.invalid
    type = "date-in-future"
    title = "A date lies in the future"


class IdempotencyKeyReused(CallwardError):
    """The same idempotency key came with other contents."""

    category = Category.conflict
    type = "idempotency-key-reused"
    title = "The idempotency key was used for something else"
