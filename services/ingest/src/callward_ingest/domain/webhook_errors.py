"""The problems of webhooks. Details never repeat a URL: its path or query may hold a secret of the receiver's."""

from callward_common.errors import Conflict, InvalidRequest, NotFound


class WebhookNotFound(NotFound):
    """The tenant has no such webhook. Another tenant's webhook looks the same."""

    type = "webhook-not-found"
    title = "Webhook not found"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery, or it has been cleared away."""

    type = "delivery-not-found"
    title = "Delivery not found"


class WebhookUrlRefused(InvalidRequest):
    """Nothing is sent to such a URL; `reason` is a code.

    Whether a host is unknown or private is not told: names inside could be found out by that.
    """

    type = "webhook-url-refused"
    title = "Webhook URL refused"


class WebhookDisabled(Conflict):
    """The webhook is not active: nothing is sent to its receiver."""

    type = "webhook-disabled"
    title = "Webhook disabled"


class TooManyWebhooks(Conflict):
    """The tenant has as many webhooks as it may."""

    type = "too-many-webhooks"
    title = "Too many webhooks"
