"""Webhooks in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.webhooks import Webhook, WebhookEvent
from callward_ingest.store.webhook_tables import WEBHOOKS

_COLUMNS = (
    WEBHOOKS.c.webhook_id,
    WEBHOOKS.c.url,
    WEBHOOKS.c.events,
    WEBHOOKS.c.description,
    WEBHOOKS.c.active,
    WEBHOOKS.c.created_at,
    WEBHOOKS.c.secret_version,
    WEBHOOKS.c.previous_until,
    WEBHOOKS.c.failing_since,
    WEBHOOKS.c.disabled_reason,
    WEBHOOKS.c.disabled_at,
)


class DatabaseWebhooks:
    """The webhooks of one tenant, within one transaction. A removed one is not there."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, webhook: Webhook, limit: int) -> bool:
        """Puts a new webhook on record; False where the tenant has `limit` already."""
        # One at a time for a tenant: two at once would both see a free place.
        await self._connection.execute(
            sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"webhooks/{self._tenant}", 0)))
        )
        count = await self._connection.scalar(sa.select(sa.func.count()).where(*self._present()))
        if count is not None and count >= limit:
            return False
        await self._connection.execute(
            sa.insert(WEBHOOKS).values(
                tenant_id=self._tenant,
                webhook_id=webhook.webhook_id,
                created_at=webhook.created_at,
                **_changeable(webhook),
            )
        )
        return True

    async def find(self, webhook_id: str, *, lock: bool = False) -> Webhook | None:
        """Returns a webhook; `lock` keeps it as it is until the transaction ends."""
        query = sa.select(*_COLUMNS).where(*self._one(webhook_id))
        row = (await self._connection.execute(query.with_for_update() if lock else query)).first()
        return None if row is None else _webhook(row)

    async def page(self, before: str | None, limit: int) -> Sequence[Webhook]:
        """Returns up to `limit` webhooks older than `before`, newest first."""
        query = sa.select(*_COLUMNS).where(*self._present())
        if before is not None:
            query = query.where(WEBHOOKS.c.webhook_id < before)
        rows = await self._connection.execute(query.order_by(WEBHOOKS.c.webhook_id.desc()).limit(limit))
        return [_webhook(row) for row in rows]

    async def save(self, webhook: Webhook) -> None:
        """Writes a webhook that was found with its lock."""
        await self._connection.execute(
            sa.update(WEBHOOKS).where(*self._one(webhook.webhook_id)).values(**_changeable(webhook))
        )

    async def remove(self, webhook_id: str, now: datetime) -> None:
        """Removes a webhook; its URL is forgotten."""
        gone = {"url": "", "description": "", "active": False, "removed_at": now}
        await self._connection.execute(sa.update(WEBHOOKS).where(*self._one(webhook_id)).values(**gone))

    async def mark_failing(self, webhook_id: str, since: datetime | None) -> None:
        """Notes when failures began, unless that is known already; None: the receiver works again."""
        other = WEBHOOKS.c.failing_since.is_not(None) if since is None else WEBHOOKS.c.failing_since.is_(None)
        await self._connection.execute(
            sa.update(WEBHOOKS).where(*self._one(webhook_id), other).values(failing_since=since)
        )

    async def disable(self, webhook: Webhook, reason: str, now: datetime) -> bool:
        """Disables a webhook; False where it is inactive already or has another URL by now."""
        change = (
            sa.update(WEBHOOKS)
            .where(*self._one(webhook.webhook_id), WEBHOOKS.c.active, WEBHOOKS.c.url == webhook.url)
            .values(active=False, disabled_reason=reason, disabled_at=now)
            .returning(WEBHOOKS.c.webhook_id)
        )
        return (await self._connection.execute(change)).first() is not None

    def _present(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (WEBHOOKS.c.tenant_id == self._tenant, WEBHOOKS.c.removed_at.is_(None))

    def _one(self, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (*self._present(), WEBHOOKS.c.webhook_id == webhook_id)


def _webhook(row: sa.Row[*tuple[Any, ...]]) -> Webhook:
    return Webhook(
        webhook_id=row.webhook_id,
        url=row.url,
        events=tuple(WebhookEvent(each) for each in row.events),
        description=row.description,
        active=row.active,
        created_at=row.created_at,
        secret_version=row.secret_version,
        previous_until=row.previous_until,
        failing_since=row.failing_since,
        disabled_reason=row.disabled_reason,
        disabled_at=row.disabled_at,
    )


def _changeable(webhook: Webhook) -> dict[str, object]:
    return {
        "url": webhook.url,
        "events": [each.value for each in webhook.events],
        "description": webhook.description,
        "active": webhook.active,
        "secret_version": webhook.secret_version,
        "previous_until": webhook.previous_until,
        "failing_since": webhook.failing_since,
        "disabled_reason": webhook.disabled_reason,
        "disabled_at": webhook.disabled_at,
    }
