"""Webhooks: the receivers that a tenant registered, and what is delivered to them (Standard Webhooks 1.0.0)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: The type of the event that a test sends.
PING = "webhook.ping"
#: How long the secret before a rotation is still signed with, in hours.
OLD_SECRET_HOURS = 24


class WebhookEvent(StrEnum):
    """What a receiver can be told of."""

    recording_sealed = "recording.sealed"
    recording_quarantined = "recording.quarantined"
    recording_refused = "recording.refused"
    upload_abandoned = "upload.abandoned"


class DisabledReason(StrEnum):
    """Why Callward disabled a webhook: its receiver answered 410, or nothing but failures came for days."""

    gone = "gone"
    only_failures = "only-failures"


class DeliveryState(StrEnum):
    """A delivery is pending until its receiver took it, or until it was tried as often as the schedule says."""

    pending = "pending"
    delivered = "delivered"
    dead = "dead"


class AttemptError(StrEnum):
    """Why an attempt failed where the receiver's status does not say it."""

    status = "status"
    redirect = "redirect-refused"
    url = "url-refused"
    connection = "connection-failed"
    certificate = "certificate-refused"
    timeout = "timeout"
    answer = "answer-unreadable"
    busy = "resolver-busy"
    disabled = "webhook-disabled"
    fault = "internal-error"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver. Version `secret_version - 1` of its secret counts as well until `previous_until`.

    `failing_since` is the first failure after the last success.
    """

    webhook_id: str
    url: str
    events: tuple[WebhookEvent, ...]
    description: str
    active: bool
    created_at: datetime
    secret_version: int = 1
    previous_until: datetime | None = None
    failing_since: datetime | None = None
    disabled_reason: str | None = None
    disabled_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a version below 1, and for one that is disabled and active."""
        if self.secret_version < 1 or (self.active and self.disabled_reason is not None):
            raise ValueError("a webhook has a secret, and is either active or disabled")

    def secret_versions(self, now: datetime) -> tuple[int, ...]:
        """Gives the versions to sign with: the present one first, then the one that was rotated out lately."""
        if self.previous_until is not None and now < self.previous_until:
            return (self.secret_version, self.secret_version - 1)
        return (self.secret_version,)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one receiver. `body` is sent byte for byte, each time under the same `event_id`.

    `attempts` counts all, `tries` those since the delivery began or was replayed last.
    """

    delivery_id: str
    webhook_id: str
    event_id: str
    type: str
    body: bytes
    created_at: datetime
    state: DeliveryState = DeliveryState.pending
    attempts: int = 0
    tries: int = 0
    last_status: int | None = None
    last_error: str | None = None
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the receiver's status, or an error; `retry_after` in seconds, where it asked for it."""

    status: int | None = None
    error: AttemptError | None = None
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver took the event: any status from 200 to 299."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more of this (410)."""
        return self.status == 410
