"""Deliveries in PostgreSQL.

Whoever changes a delivery and its place on the work list takes the delivery's row first: the other order would let
sender, replay and clearing wait for each other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.webhooks import Delivery, DeliveryState
from callward_ingest.store.webhook_tables import CLEAR, DELIVERIES, SEND, WORK

_COLUMNS = (
    DELIVERIES.c.delivery_id,
    DELIVERIES.c.webhook_id,
    DELIVERIES.c.event_id,
    DELIVERIES.c.type,
    DELIVERIES.c.body,
    DELIVERIES.c.created_at,
    DELIVERIES.c.state,
    DELIVERIES.c.attempts,
    DELIVERIES.c.tries,
    DELIVERIES.c.last_status,
    DELIVERIES.c.last_error,
    DELIVERIES.c.last_attempt_at,
    DELIVERIES.c.next_attempt_at,
)


class DatabaseDeliveries:
    """The deliveries of one tenant, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Puts new deliveries on record, each due at its next attempt."""
        if not deliveries:
            return
        await self._connection.execute(sa.insert(DELIVERIES), [self._row(each) for each in deliveries])
        await self._connection.execute(
            sa.insert(WORK),
            [
                {
                    "delivery_id": each.delivery_id,
                    "tenant_id": self._tenant,
                    "webhook_id": each.webhook_id,
                    "purpose": SEND,
                    "due_at": each.next_attempt_at,
                    "lease": None,
                }
                for each in deliveries
            ],
        )

    async def page(
        self, webhook_id: str, state: DeliveryState | None, before: str | None, limit: int
    ) -> Sequence[Delivery]:
        """Returns up to `limit` deliveries of a webhook older than `before`, newest first."""
        query = sa.select(*_COLUMNS).where(*self._of(webhook_id))
        if state is not None:
            query = query.where(DELIVERIES.c.state == state.value)
        if before is not None:
            query = query.where(DELIVERIES.c.delivery_id < before)
        rows = await self._connection.execute(query.order_by(DELIVERIES.c.delivery_id.desc()).limit(limit))
        return [_delivery(row) for row in rows]

    async def find(self, delivery_id: str) -> Delivery | None:
        """Returns a delivery, or None where the tenant has none of that id."""
        row = (await self._connection.execute(sa.select(*_COLUMNS).where(*self._one(delivery_id)))).first()
        return None if row is None else _delivery(row)

    async def settle(self, delivery: Delivery, lease: str, listed_until: datetime) -> bool:
        """Writes what came of an attempt; False where the lease is lost: another has it, or will try again.

        `listed_until`: when a delivery that has ended is cleared away.
        """
        await self._connection.execute(
            sa.update(DELIVERIES).where(*self._one(delivery.delivery_id)).values(**_progress(delivery))
        )
        pending = delivery.state is DeliveryState.pending
        place = {
            "purpose": SEND if pending else CLEAR,
            "due_at": delivery.next_attempt_at if pending else listed_until,
            "lease": None,
        }
        return await self._leased(sa.update(WORK).values(**place), delivery.delivery_id, lease)

    async def drop(self, delivery_id: str, lease: str) -> bool:
        """Takes a delivery to nobody off the work list, with its row."""
        await self._connection.execute(sa.delete(DELIVERIES).where(*self._one(delivery_id)))
        return await self._leased(sa.delete(WORK), delivery_id, lease)

    async def replay(self, webhook_id: str, delivery_id: str, now: datetime) -> Delivery | None:
        """Makes a delivery due now, with its whole schedule before it. None where the webhook has no such delivery.

        One that is being sent at this moment is left to its attempt.
        """
        return next(iter(await self._again(now, *self._of(webhook_id), *self._one(delivery_id))), None)

    async def replay_dead(self, webhook_id: str, since: datetime, now: datetime, limit: int) -> int:
        """Makes up to `limit` dead letters of events since a moment due now, the oldest first; returns how many."""
        oldest = (
            sa.select(DELIVERIES.c.delivery_id)
            .where(
                *self._of(webhook_id),
                DELIVERIES.c.state == DeliveryState.dead.value,
                DELIVERIES.c.created_at >= since,
            )
            .order_by(DELIVERIES.c.delivery_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        chosen = DELIVERIES.c.delivery_id.in_(oldest.scalar_subquery())
        return len(await self._again(now, DELIVERIES.c.tenant_id == self._tenant, chosen))

    async def _again(self, now: datetime, *which: sa.ColumnElement[bool]) -> Sequence[Delivery]:
        change = (
            sa.update(DELIVERIES)
            .where(*which)
            .values(state=DeliveryState.pending.value, tries=0, next_attempt_at=now)
            .returning(*_COLUMNS)
        )
        found = [_delivery(row) for row in await self._connection.execute(change)]
        if found:
            place = insert(WORK).values(
                [
                    {
                        "delivery_id": each.delivery_id,
                        "tenant_id": self._tenant,
                        "webhook_id": each.webhook_id,
                        "purpose": SEND,
                        "due_at": now,
                    }
                    for each in found
                ]
            )
            await self._connection.execute(
                place.on_conflict_do_update(
                    index_elements=[WORK.c.delivery_id],
                    set_={"purpose": SEND, "due_at": now},
                    where=WORK.c.lease.is_(None),
                )
            )
        return found

    async def _leased(self, change: sa.Update | sa.Delete, delivery_id: str, lease: str) -> bool:
        mine = change.where(WORK.c.delivery_id == delivery_id, WORK.c.lease == lease)
        return (await self._connection.execute(mine.returning(WORK.c.delivery_id))).first() is not None

    def _row(self, delivery: Delivery) -> dict[str, object]:
        return {
            "tenant_id": self._tenant,
            "delivery_id": delivery.delivery_id,
            "webhook_id": delivery.webhook_id,
            "event_id": delivery.event_id,
            "type": delivery.type,
            "body": delivery.body,
            "created_at": delivery.created_at,
            **_progress(delivery),
        }

    def _of(self, webhook_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (DELIVERIES.c.tenant_id == self._tenant, DELIVERIES.c.webhook_id == webhook_id)

    def _one(self, delivery_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (DELIVERIES.c.tenant_id == self._tenant, DELIVERIES.c.delivery_id == delivery_id)


def _progress(delivery: Delivery) -> dict[str, object]:
    return {
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "tries": delivery.tries,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "last_attempt_at": delivery.last_attempt_at,
        "next_attempt_at": delivery.next_attempt_at,
    }


def _delivery(row: sa.Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(
        delivery_id=row.delivery_id,
        webhook_id=row.webhook_id,
        event_id=row.event_id,
        type=row.type,
        body=bytes(row.body),
        created_at=row.created_at,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        tries=row.tries,
        last_status=row.last_status,
        last_error=row.last_error,
        last_attempt_at=row.last_attempt_at,
        next_attempt_at=row.next_attempt_at,
    )
