"""From events to deliveries, in the transaction that puts the event on record."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.ids import new_id
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.webhook_notices import Notice, notice_of
from callward_ingest.domain.webhooks import Delivery
from callward_ingest.store.webhook_deliveries import DatabaseDeliveries
from callward_ingest.store.webhook_tables import WEBHOOKS


class Notices:
    """The notices of one transaction: collected while it runs, written at its end.

    One query for a tenant without webhooks, and none for a transaction without an event that receivers may be told of.
    """

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._notices: list[tuple[Notice, str]] = []

    def add(self, event: DomainEvent, event_id: str) -> None:
        """Takes an event that is put on record under this id."""
        notice = notice_of(event)
        if notice is not None:
            self._notices.append((notice, event_id))

    async def flush(self, now: datetime) -> bool:
        """Makes a delivery of each notice for each active webhook that wants it; whether there were any."""
        if not self._notices:
            return False
        query = sa.select(WEBHOOKS.c.webhook_id, WEBHOOKS.c.events).where(
            WEBHOOKS.c.tenant_id == self._tenant, WEBHOOKS.c.removed_at.is_(None), WEBHOOKS.c.active
        )
        receivers = (await self._connection.execute(query)).all()
        deliveries = [
            _delivery(notice, event_id, receiver.webhook_id, now)
            for notice, event_id in self._notices
            for receiver in receivers
            if notice.type.value in receiver.events
        ]
        await DatabaseDeliveries(self._connection, self._tenant).add(deliveries)
        return bool(deliveries)


def _delivery(notice: Notice, event_id: str, webhook_id: str, now: datetime) -> Delivery:
    return Delivery(
        delivery_id=new_id(),
        webhook_id=webhook_id,
        event_id=event_id,
        type=notice.type.value,
        body=notice.body(now),
        created_at=now,
        next_attempt_at=now,
    )
