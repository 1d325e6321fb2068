"""The errors that retention raises, each with its stable type."""

from callward_common.errors import CallwardError, Category


class UnknownTenant(CallwardError):
    """The tenant is not known here, or suspended: nothing is planned for it."""

    category = Category.forbidden
    type = "unknown-tenant"
    title = "The tenant is not known or not active"


class DateInFuture(CallwardError):
    """The clock would start in the future."""

    category = Category.invalid
    type = "date-in-future"
    title = "A date lies in the future"
