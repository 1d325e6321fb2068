"""When a delivery is tried again, and when there is an end to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callward_ingest.domain.webhooks import (
    AttemptError,
    Delivery,
    DeliveryState,
    DisabledReason,
    Outcome,
    Webhook,
)

#: The example of the specification, section "Deliverability and reliability": ten attempts in 75 h 35 min.
STANDARD_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
#: How much later than the schedule says an attempt may be, as a part of the wait: a herd is spread out.
JITTER = 0.2
#: The longest wait that a receiver can ask for by Retry-After.
_LONGEST_WAIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The waits between attempts, and after how long of nothing but failures a webhook is disabled."""

    waits: tuple[timedelta, ...] = STANDARD_SCHEDULE
    disable_after: timedelta = timedelta(days=5)

    def wait(self, tries: int, outcome: Outcome, jitter: float) -> timedelta | None:
        """Gives the wait after the failure of attempt `tries` (from 1); None when it was the last.

        `jitter` is from 0 to 1. A receiver's Retry-After makes the wait longer, never shorter, and at most a day.
        """
        if tries > len(self.waits):
            return None
        wait = self.waits[tries - 1] * (1 + JITTER * jitter)
        asked = min(timedelta(seconds=max(outcome.retry_after or 0.0, 0.0)), _LONGEST_WAIT)
        return max(wait, asked)


def after_attempt(
    delivery: Delivery, outcome: Outcome, now: datetime, schedule: Schedule, jitter: float
) -> Delivery:
    """Gives the delivery as it is after an attempt."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        tries=delivery.tries + 1,
        last_status=outcome.status,
        last_error=outcome.error.value if outcome.error is not None else None,
        last_attempt_at=now,
        next_attempt_at=None,
    )
    if outcome.taken:
        return replace(tried, state=DeliveryState.delivered)
    wait = schedule.wait(tried.tries, outcome, jitter)
    if wait is None or outcome.gone:
        return replace(tried, state=DeliveryState.dead)
    return replace(tried, state=DeliveryState.pending, next_attempt_at=now + wait)


def without_attempt(delivery: Delivery) -> Delivery:
    """Gives a delivery whose webhook is disabled: a dead letter without another attempt, to be replayed later."""
    return replace(
        delivery,
        state=DeliveryState.dead,
        last_error=AttemptError.disabled.value,
        next_attempt_at=None,
    )


def disabling(webhook: Webhook, outcome: Outcome, now: datetime, schedule: Schedule) -> DisabledReason | None:
    """Says why a webhook has to be disabled after an attempt, or None."""
    if outcome.taken:
        return None
    if outcome.gone:
        return DisabledReason.gone
    if webhook.failing_since is not None and now - webhook.failing_since >= schedule.disable_after:
        return DisabledReason.only_failures
    return None
