"""Fakes of the webhooks' ports, in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from callward_ingest.app.webhook_ports import Waiting
from callward_ingest.domain.webhooks import Delivery, DeliveryState, Outcome, Webhook


@dataclass
class Place:
    """A delivery's place on the work list."""

    tenant: str
    webhook_id: str
    due_at: datetime
    purpose: str = "send"
    lease: str | None = None


@dataclass
class WebhookState:
    """All rows of one tenant's webhooks; `work` is common to all tenants."""

    work: dict[str, Place] = field(default_factory=dict)
    tenant: str = ""
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)


class MemoryWebhooks:
    """WebhookRows."""

    def __init__(self, state: WebhookState) -> None:
        self._rows = state.webhooks

    async def add(self, webhook: Webhook, limit: int) -> bool:
        if len(self._rows) >= limit:
            return False
        self._rows[webhook.webhook_id] = webhook
        return True

    async def find(self, webhook_id: str, *, lock: bool = False) -> Webhook | None:
        return self._rows.get(webhook_id)

    async def page(self, before: str | None, limit: int) -> Sequence[Webhook]:
        found = [each for key, each in sorted(self._rows.items(), reverse=True) if not before or key < before]
        return found[:limit]

    async def save(self, webhook: Webhook) -> None:
        self._rows[webhook.webhook_id] = webhook

    async def remove(self, webhook_id: str, now: datetime) -> None:
        del self._rows[webhook_id]

    async def mark_failing(self, webhook_id: str, since: datetime | None) -> None:
        found = self._rows[webhook_id]
        if since is None or found.failing_since is None:
            self._rows[webhook_id] = replace(found, failing_since=since)

    async def disable(self, webhook: Webhook, reason: str, now: datetime) -> bool:
        found = self._rows[webhook.webhook_id]
        if not found.active or found.url != webhook.url:
            return False
        self._rows[webhook.webhook_id] = replace(found, active=False, disabled_reason=reason, disabled_at=now)
        return True


class MemoryDeliveries:
    """DeliveryRows."""

    def __init__(self, state: WebhookState) -> None:
        self._state, self._rows = state, state.deliveries

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            assert each.next_attempt_at is not None
            self._rows[each.delivery_id] = each
            self._state.work[each.delivery_id] = Place(
                self._state.tenant, each.webhook_id, each.next_attempt_at
            )

    async def find(self, delivery_id: str) -> Delivery | None:
        return self._rows.get(delivery_id)

    async def page(
        self, webhook_id: str, state: DeliveryState | None, before: str | None, limit: int
    ) -> Sequence[Delivery]:
        found = [
            each
            for key, each in sorted(self._rows.items(), reverse=True)
            if each.webhook_id == webhook_id and state in (None, each.state) and (not before or key < before)
        ]
        return found[:limit]

    async def settle(self, delivery: Delivery, lease: str, listed_until: datetime) -> bool:
        place = self._state.work.get(delivery.delivery_id)
        if place is None or place.lease != lease:
            return False
        self._rows[delivery.delivery_id] = delivery
        pending = delivery.next_attempt_at
        place.purpose, place.due_at, place.lease = (
            ("send", pending, None) if pending is not None else ("clear", listed_until, None)
        )
        return True

    async def drop(self, delivery_id: str, lease: str) -> bool:
        self._rows.pop(delivery_id, None)
        return self._state.work.pop(delivery_id, None) is not None

    async def replay(self, webhook_id: str, delivery_id: str, now: datetime) -> Delivery | None:
        found = self._rows.get(delivery_id)
        if found is None or found.webhook_id != webhook_id:
            return None
        again = replace(found, state=DeliveryState.pending, tries=0, next_attempt_at=now)
        await self.add([again])
        return again

    async def replay_dead(self, webhook_id: str, since: datetime, now: datetime, limit: int) -> int:
        dead = [
            each.delivery_id
            for _, each in sorted(self._rows.items())
            if each.webhook_id == webhook_id and each.state is DeliveryState.dead and each.created_at >= since
        ]
        for delivery_id in dead[:limit]:
            await self.replay(webhook_id, delivery_id, now)
        return len(dead[:limit])


class MemoryWork:
    """A WorkList over the places of all tenants."""

    def __init__(self, work: dict[str, Place]) -> None:
        self._work = work
        self.failing: Exception | None = None

    async def waiting(self, now: datetime) -> Sequence[Waiting]:
        if self.failing is not None:
            raise self.failing
        due = {
            (place.webhook_id, place.tenant)
            for place in self._work.values()
            if place.purpose == "send" and place.due_at <= now
        }
        return [Waiting(*each) for each in sorted(due)]

    async def take(
        self, webhook_id: str, *, lease: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[str]:
        due = [
            key
            for key, place in sorted(self._work.items())
            if place.webhook_id == webhook_id and place.purpose == "send" and place.due_at <= now
        ]
        for key in due[:limit]:
            self._work[key].lease, self._work[key].due_at = lease, until
        return due[:limit]

    async def give_back(self, delivery_id: str, lease: str, due_at: datetime) -> None:
        place = self._work[delivery_id]
        if place.lease == lease:
            place.lease, place.due_at = None, due_at

    async def clear(self, now: datetime, limit: int) -> int:
        return 0


class FakeReceivers:
    """Receivers that answer as they are told, by URL; those in `hanging` never do."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome | Exception] = {}
        self.hanging: set[str] = set()
        self.sent: list[tuple[str, Mapping[str, str], bytes]] = []
        self.open_now: dict[str, int] = {}
        self.most_open: dict[str, int] = {}

    async def check(self, url: str) -> None:
        """Every URL will do."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.sent.append((url, headers, body))
        self.open_now[url] = self.open_now.get(url, 0) + 1
        self.most_open[url] = max(self.most_open.get(url, 0), self.open_now[url])
        try:
            if url in self.hanging:
                await asyncio.Event().wait()
            outcome = self.outcomes.get(url, Outcome(204))
        finally:
            self.open_now[url] -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class FakeSecrets:
    """Secrets that are easily told apart."""

    async def secret(self, tenant: str, webhook_id: str, version: int) -> bytes:
        return f"{version}".encode().rjust(32, b".")
