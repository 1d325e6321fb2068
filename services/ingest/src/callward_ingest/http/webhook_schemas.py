"""Bodies and answers of webhooks, as OpenAPI describes them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from callward_common.http.model import StrictModel, Text, Timestamp, refusal
from callward_ingest.app.webhooks import NewWebhook, WebhookChanges
from callward_ingest.domain.webhook_urls import MAX_CHARACTERS
from callward_ingest.domain.webhooks import WebhookEvent

Url = Annotated[str, Text(MAX_CHARACTERS)]
Description = Annotated[str, Text(200, min_length=0)]
Events = Annotated[list[WebhookEvent], Field(min_length=1, max_length=len(WebhookEvent))]


class RegisterWebhookBody(StrictModel):
    """A receiver: an https:// URL of a public host, and what it is to be told of. Descriptions name nobody."""

    url: Url
    events: Events
    description: Description = ""

    def to_app(self) -> NewWebhook:
        """Returns the use case's form."""
        return NewWebhook(self.url, _apart(self.events), self.description)


class ChangeWebhookBody(StrictModel):
    """What is to be changed. `active` true also takes back that Callward disabled the webhook."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    active: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise refusal("Name at least one field with its new value.")
        return self

    def to_app(self) -> WebhookChanges:
        """Returns the use case's form."""
        events = None if self.events is None else _apart(self.events)
        return WebhookChanges(self.url, events, self.description, self.active)


class ReplayBody(StrictModel):
    """Which deliveries to send again: the dead letters of events since a moment."""

    state: Literal["dead"]
    since: Timestamp


class WebhookAnswer(StrictModel):
    """A webhook. Callward disabled it where `disabledReason` says why: `gone` or `only-failures`."""

    webhook_id: str
    url: str
    events: list[str]
    description: str
    active: bool
    created_at: Timestamp
    secret_version: int
    previous_secret_until: Timestamp | None
    failing_since: Timestamp | None
    disabled_reason: str | None
    disabled_at: Timestamp | None


class WebhookWithSecret(WebhookAnswer):
    """A webhook with its secret (`whsec_…`), which is shown here and never again."""

    secret: str


class WebhookPage(StrictModel):
    """Webhooks, newest first."""

    webhooks: list[WebhookAnswer]
    next_cursor: str | None


class DeliveryAnswer(StrictModel):
    """A delivery. `eventId` is the `webhook-id` that the receiver sees, and the event's id in the audit log."""

    delivery_id: str
    webhook_id: str
    event_id: str
    type: str
    state: Literal["pending", "delivered", "dead"]
    attempts: int
    last_status: int | None
    last_error: str | None
    last_attempt_at: Timestamp | None
    next_attempt_at: Timestamp | None
    created_at: Timestamp


class DeliveryPage(StrictModel):
    """Deliveries, newest first."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None


class Replayed(StrictModel):
    """How many are sent again; `more` when there are others: ask again."""

    replayed: int
    more: bool


def _apart(events: list[WebhookEvent]) -> tuple[WebhookEvent, ...]:
    return tuple(dict.fromkeys(events))
