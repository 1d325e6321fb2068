"""The errors that audit raises, each with its stable type."""

from callward_common.errors import CallwardError, Category


class UnmappedEvent(CallwardError):
    """An event has no place in the record yet: audit stands still rather than lose or guess it."""

    category = Category.internal
    type = "unmapped-event"
    title = "The event cannot be put on record"


class LogNotFound(CallwardError):
    """There is no log with this name."""

    category = Category.not_found
    type = "log-not-found"
    title = "No such log"


class EventNotFound(CallwardError):
    """There is no event with this id for this tenant."""

    category = Category.not_found
    type = "event-not-found"
    title = "No such event"


class NotYetCovered(CallwardError):
    """The event or tree size is not under a signed checkpoint yet."""

    category = Category.unavailable
    type = "not-yet-covered"
    title = "No checkpoint covers this yet"


class InvalidProofRequest(CallwardError):
    """A proof was asked for that cannot exist: an index beyond the size, or sizes out of order."""

    category = Category.invalid
    type = "invalid-proof-request"
    title = "There is no such proof"


class WriterFenced(CallwardError):
    """Another writer has taken over the log: this one must not write any more."""

    category = Category.unavailable
    type = "writer-fenced"
    title = "Another writer owns the log"


class RoleMissing(CallwardError):
    """The person has no role that may read the audit log."""

    category = Category.forbidden
    type = "role-missing"
    title = "The role to read the audit log is missing"
