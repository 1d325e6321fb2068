"""The rows of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from callward_ingest.domain.webhooks import Delivery, DeliveryState, Webhook


class WebhookRows(Protocol):
    """The webhooks of one tenant. A removed one is not there."""

    async def add(self, webhook: Webhook, limit: int) -> bool:
        """Puts a new webhook on record; False where the tenant has `limit` already."""
        ...

    async def find(self, webhook_id: str, *, lock: bool = False) -> Webhook | None:
        """Returns a webhook; `lock` keeps it as it is until the transaction ends."""
        ...

    async def page(self, before: str | None, limit: int) -> Sequence[Webhook]:
        """Returns up to `limit` webhooks older than `before`, newest first."""
        ...

    async def save(self, webhook: Webhook) -> None:
        """Writes a webhook that was found with its lock."""
        ...

    async def remove(self, webhook_id: str, now: datetime) -> None:
        """Removes a webhook; its URL is forgotten."""
        ...

    async def mark_failing(self, webhook_id: str, since: datetime | None) -> None:
        """Notes when failures began, unless that is known already; None: the receiver works again."""
        ...

    async def disable(self, webhook: Webhook, reason: str, now: datetime) -> bool:
        """Disables a webhook; False where it is inactive already or has another URL by now."""
        ...


class DeliveryRows(Protocol):
    """The deliveries of one tenant's webhooks, with their places on the sender's work list."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Puts new deliveries on record, each due at its next attempt."""
        ...

    async def find(self, delivery_id: str) -> Delivery | None:
        """Returns a delivery, or None where the tenant has none of that id."""
        ...

    async def page(
        self, webhook_id: str, state: DeliveryState | None, before: str | None, limit: int
    ) -> Sequence[Delivery]:
        """Returns up to `limit` deliveries of a webhook older than `before`, newest first."""
        ...

    async def settle(self, delivery: Delivery, lease: str, listed_until: datetime) -> bool:
        """Writes what came of an attempt; False where the lease is lost. Ended ones are cleared away later."""
        ...

    async def drop(self, delivery_id: str, lease: str) -> bool:
        """Takes a delivery to nobody off the work list, with its row; False where the lease is lost."""
        ...

    async def replay(self, webhook_id: str, delivery_id: str, now: datetime) -> Delivery | None:
        """Makes a delivery due now, with its whole schedule before it. None where the webhook has no such one."""
        ...

    async def replay_dead(self, webhook_id: str, since: datetime, now: datetime, limit: int) -> int:
        """Makes up to `limit` dead letters since a moment due now, the oldest first; returns how many."""
        ...
