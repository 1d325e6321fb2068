"""Legs of calls in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.legs import Leg
from callward_ingest.store.marks_tables import LEGS

_COLUMNS = (LEGS.c.leg_id, LEGS.c.channel, LEGS.c.started_at, LEGS.c.recorded_at, LEGS.c.party_ids)


class DatabaseLegs:
    """The legs of one tenant's calls, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, call_id: str, leg: Leg) -> None:
        """Puts a new leg on record."""
        await self._connection.execute(
            sa.insert(LEGS).values(
                tenant_id=self._tenant,
                call_id=call_id,
                leg_id=leg.leg_id,
                channel=leg.channel,
                started_at=leg.started_at,
                recorded_at=leg.recorded_at,
                party_ids=list(leg.party_ids),
            )
        )

    async def find(self, call_id: str, leg_id: str) -> Leg | None:
        """Returns a leg, or None where the call has none of that id."""
        query = sa.select(*_COLUMNS).where(*self._of(call_id), LEGS.c.leg_id == leg_id)
        row = (await self._connection.execute(query)).first()
        return None if row is None else _leg(row)

    async def all(self, call_id: str) -> Sequence[Leg]:
        """Returns the legs of a call in the order in which they were added."""
        query = sa.select(*_COLUMNS).where(*self._of(call_id)).order_by(LEGS.c.recorded_at, LEGS.c.leg_id)
        return [_leg(row) for row in await self._connection.execute(query)]

    async def count(self, call_id: str) -> int:
        """Returns how many legs the call has."""
        query = sa.select(sa.func.count()).select_from(LEGS).where(*self._of(call_id))
        return int((await self._connection.execute(query)).scalar_one())

    def _of(self, call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (LEGS.c.tenant_id == self._tenant, LEGS.c.call_id == call_id)


def _leg(row: sa.Row[*tuple[Any, ...]]) -> Leg:
    return Leg(row.leg_id, row.started_at, row.recorded_at, row.channel, tuple(row.party_ids))
