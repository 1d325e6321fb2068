"""The sender's work list in PostgreSQL: of all tenants, ids and times alone."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from callward_common.db import Database
from callward_ingest.app.webhook_ports import Waiting
from callward_ingest.store.webhook_tables import CLEAR, DELIVERIES, SEND, WORK

# One probe of the index per webhook that has work, however long its queue is.
_WAITING = sa.text(
    """
    WITH RECURSIVE queues AS (
        (SELECT webhook_id, tenant_id FROM webhook_work
          WHERE purpose = 'send' ORDER BY webhook_id LIMIT 1)
        UNION ALL
        SELECT further.webhook_id, further.tenant_id FROM queues, LATERAL (
            SELECT webhook_id, tenant_id FROM webhook_work
             WHERE purpose = 'send' AND webhook_id > queues.webhook_id
             ORDER BY webhook_id LIMIT 1) AS further
    )
    SELECT webhook_id::text, tenant_id FROM queues
     WHERE EXISTS (SELECT FROM webhook_work AS due
                    WHERE due.purpose = 'send' AND due.webhook_id = queues.webhook_id AND due.due_at <= :now)
    """
)


class DatabaseWork:
    """The work list. `due_at` of a row under a lease is when the lease ends: whoever dies loses nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def waiting(self, now: datetime) -> Sequence[Waiting]:
        """Returns the webhooks that have a delivery due."""
        async with self._db.transaction() as transaction:
            rows = await transaction.connection.execute(_WAITING, {"now": now})
            return [Waiting(row.webhook_id, row.tenant_id) for row in rows]

    async def take(
        self, webhook_id: str, *, lease: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[str]:
        """Takes up to `limit` due deliveries of a webhook under a lease; what others hold is left to them."""
        due = (
            sa.select(WORK.c.delivery_id)
            .where(WORK.c.purpose == SEND, WORK.c.webhook_id == webhook_id, WORK.c.due_at <= now)
            .order_by(WORK.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = (
            sa.update(WORK)
            .where(WORK.c.delivery_id.in_(due.scalar_subquery()))
            .values(lease=lease, due_at=until)
            .returning(WORK.c.delivery_id)
        )
        async with self._db.transaction() as transaction:
            return [str(row.delivery_id) for row in await transaction.connection.execute(taken)]

    async def give_back(self, delivery_id: str, lease: str, due_at: datetime) -> None:
        """Ends a lease without an attempt on record: the delivery is due again then."""
        change = sa.update(WORK).where(WORK.c.delivery_id == delivery_id, WORK.c.lease == lease)
        async with self._db.transaction() as transaction:
            await transaction.connection.execute(change.values(lease=None, due_at=due_at))

    async def clear(self, now: datetime, limit: int) -> int:
        """Deletes up to `limit` deliveries that ended long enough ago; returns how many."""
        query = (
            sa.select(WORK.c.tenant_id, WORK.c.delivery_id)
            .where(WORK.c.purpose == CLEAR, WORK.c.due_at <= now)
            .order_by(WORK.c.due_at)
            .limit(limit)
        )
        by_tenant: dict[str, list[str]] = defaultdict(list)
        async with self._db.transaction() as transaction:
            for row in await transaction.connection.execute(query):
                by_tenant[row.tenant_id].append(row.delivery_id)
        return sum([await self._clear(tenant, ids, now) for tenant, ids in by_tenant.items()])

    async def _clear(self, tenant: str, ids: Sequence[str], now: datetime) -> int:
        theirs = (DELIVERIES.c.tenant_id == tenant, DELIVERIES.c.delivery_id.in_(ids))
        async with self._db.transaction(tenant) as transaction:
            # The delivery first, as everywhere. One that is being replayed right now is not cleared.
            locked = sa.select(DELIVERIES.c.delivery_id).where(*theirs).with_for_update(skip_locked=True)
            held = [row.delivery_id for row in await transaction.connection.execute(locked)]
            ended = (WORK.c.delivery_id.in_(held), WORK.c.purpose == CLEAR, WORK.c.due_at <= now)
            unlisted = sa.delete(WORK).where(*ended).returning(WORK.c.delivery_id)
            gone = [row.delivery_id for row in await transaction.connection.execute(unlisted)]
            await transaction.connection.execute(
                sa.delete(DELIVERIES).where(
                    DELIVERIES.c.tenant_id == tenant, DELIVERIES.c.delivery_id.in_(gone)
                )
            )
        return len(gone)
