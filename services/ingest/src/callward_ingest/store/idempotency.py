"""Idempotency keys in PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.idempotency import Claim, Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.store.tables import IDEMPOTENCY

_CLEARED_AT_ONCE = 100


class DatabaseIdempotency:
    """The idempotency keys of one tenant, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str, *, keep: timedelta) -> None:
        """`keep`: how long an answer is kept after its key was claimed."""
        self._connection = connection
        self._tenant = tenant
        self._keep = keep

    async def claim(self, key: str, claimant: Claimant, now: datetime) -> Claim:
        """Takes a free key, or one whose claim or answer has run out; else tells who has it."""
        await self._clear_expired(now)
        while True:
            if await self._insert(key, claimant, now):
                return Claim(ClaimOutcome.claimed)
            held = await self._held(key)
            # Released between the two statements: it is free again.
            if held is not None:
                return await self._judge(key, held, claimant, now)

    async def renew(self, key: str, claimant: Claimant) -> bool:
        """Prolongs the claimant's hold; False when somebody else took the key over."""
        change = self._change(key, claimant.owner).values(held_until=claimant.held_until)
        return (await self._connection.execute(change.returning(IDEMPOTENCY.c.key))).first() is not None

    async def complete(self, key: str, owner: str, answer: StoredAnswer) -> bool:
        """Stores the answer of the key's owner; False when somebody else took the key over."""
        change = self._change(key, owner).values(
            fingerprint=answer.fingerprint, fingerprint_day=answer.fingerprint_day, answer=answer.body
        )
        return (await self._connection.execute(change.returning(IDEMPOTENCY.c.key))).first() is not None

    async def release(self, key: str, owner: str) -> None:
        """Frees the key that `owner` holds without an answer."""
        await self._connection.execute(
            sa.delete(IDEMPOTENCY).where(
                *self._one(key), IDEMPOTENCY.c.owner == owner, IDEMPOTENCY.c.fingerprint.is_(None)
            )
        )

    async def _clear_expired(self, now: datetime) -> None:
        expired = (
            sa.select(IDEMPOTENCY.c.key)
            .where(IDEMPOTENCY.c.tenant_id == self._tenant, IDEMPOTENCY.c.expires_at < now)
            .where(IDEMPOTENCY.c.fingerprint.is_not(None))
            .limit(_CLEARED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self._connection.execute(
            sa.delete(IDEMPOTENCY).where(
                IDEMPOTENCY.c.tenant_id == self._tenant, IDEMPOTENCY.c.key.in_(expired.scalar_subquery())
            )
        )

    async def _insert(self, key: str, claimant: Claimant, now: datetime) -> bool:
        statement = (
            insert(IDEMPOTENCY)
            .values(
                tenant_id=self._tenant,
                key=key,
                owner=claimant.owner,
                held_until=claimant.held_until,
                expires_at=now + self._keep,
            )
            .on_conflict_do_nothing()
            .returning(IDEMPOTENCY.c.key)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def _held(self, key: str) -> sa.Row[*tuple[Any, ...]] | None:
        query = sa.select(
            IDEMPOTENCY.c.owner,
            IDEMPOTENCY.c.held_until,
            IDEMPOTENCY.c.fingerprint,
            IDEMPOTENCY.c.fingerprint_day,
            IDEMPOTENCY.c.answer,
        ).where(*self._one(key))
        return (await self._connection.execute(query.with_for_update())).first()

    async def _judge(
        self, key: str, held: sa.Row[*tuple[Any, ...]], claimant: Claimant, now: datetime
    ) -> Claim:
        if held.fingerprint is not None:
            answer = StoredAnswer(bytes(held.fingerprint), held.fingerprint_day, held.answer)
            return Claim(ClaimOutcome.done, answer=answer)
        if held.held_until > now:
            return Claim(ClaimOutcome.in_use, owner=held.owner)
        await self._connection.execute(
            sa.update(IDEMPOTENCY)
            .where(*self._one(key))
            .values(
                owner=claimant.owner,
                held_until=claimant.held_until,
                expires_at=now + self._keep,
            )
        )
        return Claim(ClaimOutcome.claimed)

    def _one(self, key: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (IDEMPOTENCY.c.tenant_id == self._tenant, IDEMPOTENCY.c.key == key)

    def _change(self, key: str, owner: str) -> sa.Update:
        return sa.update(IDEMPOTENCY).where(
            *self._one(key), IDEMPOTENCY.c.owner == owner, IDEMPOTENCY.c.fingerprint.is_(None)
        )
