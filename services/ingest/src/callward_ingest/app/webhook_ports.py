"""What the webhooks need of the world, beside their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callward_ingest.domain.webhooks import Outcome


@dataclass(frozen=True, slots=True)
class Waiting:
    """A webhook that has a delivery due, and whose it is."""

    webhook_id: str
    tenant: str


class WebhookSecrets(Protocol):
    """Secrets, derived by key-management and stored nowhere. Raises CallwardError."""

    async def secret(self, tenant: str, webhook_id: str, version: int) -> bytes:
        """Returns one version of a webhook's secret (32 bytes)."""
        ...


class Receivers(Protocol):
    """The world outside."""

    async def check(self, url: str) -> None:
        """Returns when a URL may be called now, or raises WebhookUrlRefused."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Sends once, within the time for an attempt, to an address that was checked just before. Never raises."""
        ...


class WorkList(Protocol):
    """What there is to send, of all tenants: ids and times alone."""

    async def waiting(self, now: datetime) -> Sequence[Waiting]:
        """Returns the webhooks that have a delivery due."""
        ...

    async def take(
        self, webhook_id: str, *, lease: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[str]:
        """Takes up to `limit` due deliveries of a webhook for itself until then; what others hold is left to them."""
        ...

    async def give_back(self, delivery_id: str, lease: str, due_at: datetime) -> None:
        """Ends a lease without an attempt on record: the delivery is due again then."""
        ...

    async def clear(self, now: datetime, limit: int) -> int:
        """Deletes up to `limit` deliveries that ended long enough ago; returns how many."""
        ...
