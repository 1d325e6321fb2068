"""Calls and their pseudonyms in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.calls import AgeGroup, Call, Direction, Pseudonym, SealedDocument
from callward_ingest.store.tables import CALLS, PSEUDONYMS


class DatabaseCalls:
    """The calls of one tenant, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, call: Call, pseudonyms: Sequence[Pseudonym]) -> None:
        """Puts a new call on record with the pseudonyms it is found by."""
        await self._connection.execute(
            sa.insert(CALLS).values(
                tenant_id=self._tenant,
                call_id=call.call_id,
                queue=call.queue,
                direction=call.direction.value,
                age_group=call.age_group.value,
                started_at=call.started_at,
                opened_at=call.opened_at,
                ended_at=call.ended_at,
                document=call.document.ciphertext,
                document_sha256=call.document.sha256,
                key_id=call.document.key_id,
                party_ids=call.party_ids,
            )
        )
        if pseudonyms:
            rows = [
                {
                    "tenant_id": self._tenant,
                    "kind": item.kind.value,
                    "quarter": item.quarter,
                    "pseudonym": item.value,
                    "call_id": call.call_id,
                }
                for item in pseudonyms
            ]
            await self._connection.execute(sa.insert(PSEUDONYMS), rows)

    async def find(self, call_id: str) -> Call | None:
        """Returns a call, or None where the tenant has none of that id."""
        query = sa.select(
            CALLS.c.queue,
            CALLS.c.direction,
            CALLS.c.age_group,
            CALLS.c.started_at,
            CALLS.c.opened_at,
            CALLS.c.ended_at,
            CALLS.c.document,
            CALLS.c.document_sha256,
            CALLS.c.key_id,
            CALLS.c.party_ids,
        ).where(*self._one(call_id))
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        return Call(
            call_id=call_id,
            queue=row.queue,
            direction=Direction(row.direction),
            started_at=row.started_at,
            opened_at=row.opened_at,
            age_group=AgeGroup(row.age_group),
            document=SealedDocument(bytes(row.document), bytes(row.document_sha256), row.key_id),
            ended_at=row.ended_at,
            party_ids=None if row.party_ids is None else tuple(row.party_ids),
        )

    async def end(self, call_id: str, ended_at: datetime) -> tuple[datetime, bool]:
        """Sets when the call ended unless it is set already; returns the moment on record, and whether it is new."""
        change = (
            sa.update(CALLS)
            .where(*self._one(call_id), CALLS.c.ended_at.is_(None))
            .values(ended_at=ended_at)
            .returning(CALLS.c.ended_at)
        )
        newly = (await self._connection.execute(change)).first()
        if newly is not None:
            return newly.ended_at, True
        query = sa.select(CALLS.c.ended_at).where(*self._one(call_id))
        recorded: datetime = (await self._connection.execute(query)).scalar_one()
        return recorded, False

    def _one(self, call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (CALLS.c.tenant_id == self._tenant, CALLS.c.call_id == call_id)
