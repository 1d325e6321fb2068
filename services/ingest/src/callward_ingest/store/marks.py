"""Control marks, and what of a call has to be heard, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.marks import Mark, MarkKind, MarkStatement, NewMark, SignedMark
from callward_ingest.domain.marks_late import KeptSound
from callward_ingest.domain.recordings import RecordingState
from callward_ingest.store.marks_tables import LEGS, MARKS, SPOKEN
from callward_ingest.store.tables import CALLS, RECORDINGS

_COLUMNS = (
    MARKS.c.call_id,
    MARKS.c.position,
    MARKS.c.mark_id,
    MARKS.c.kind,
    MARKS.c.at,
    MARKS.c.until,
    MARKS.c.leg_id,
    MARKS.c.reason,
    MARKS.c.received_at,
    MARKS.c.event_id,
    MARKS.c.statement,
    MARKS.c.statement_sha256,
)
_KEPT = (RecordingState.sealed.value, RecordingState.quarantined.value)


class DatabaseMarks:
    """The control marks of one tenant's calls, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def lock(self, call_id: str) -> None:
        """Keeps others from adding marks to the call until the transaction ends."""
        query = sa.select(CALLS.c.call_id).where(
            CALLS.c.tenant_id == self._tenant, CALLS.c.call_id == call_id
        )
        await self._connection.execute(query.with_for_update())

    async def add(self, mark: Mark) -> None:
        """Puts a mark on record at its position."""
        stated, statement = mark.stated, mark.statement
        await self._connection.execute(
            sa.insert(MARKS).values(
                tenant_id=self._tenant,
                call_id=statement.call_id,
                position=mark.position,
                mark_id=statement.mark_id,
                kind=stated.kind.value,
                at=stated.at,
                until=stated.until,
                leg_id=stated.leg_id,
                reason=stated.reason,
                received_at=statement.received_at,
                event_id=statement.event_id,
                statement=mark.signed.jws,
                statement_sha256=mark.signed.sha256,
            )
        )

    async def page(self, call_id: str, after: int, limit: int) -> Sequence[Mark]:
        """Returns at most `limit` marks after a position, in order."""
        query = (
            sa.select(*_COLUMNS)
            .where(*self._of(call_id), MARKS.c.position > after)
            .order_by(MARKS.c.position)
            .limit(limit)
        )
        return [_mark(row) for row in await self._connection.execute(query)]

    async def stated(self, call_id: str) -> Sequence[NewMark]:
        """Returns what all marks of the call state, in the order in which they came."""
        columns = (MARKS.c.kind, MARKS.c.at, MARKS.c.until, MARKS.c.leg_id, MARKS.c.reason)
        query = sa.select(*columns).where(*self._of(call_id)).order_by(MARKS.c.position)
        return [_stated(row) for row in await self._connection.execute(query)]

    async def count(self, call_id: str) -> int:
        """Returns how many marks the call has."""
        # Positions count without a gap, and the last one is found by the index alone.
        query = sa.select(sa.func.max(MARKS.c.position)).where(*self._of(call_id))
        return (await self._connection.execute(query)).scalar_one() or 0

    def _of(self, call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (MARKS.c.tenant_id == self._tenant, MARKS.c.call_id == call_id)


class DatabaseHeard:
    """What of one tenant's calls has to be heard, and what is kept of them, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add_spoken(self, call_id: str, evidence_id: str, at: datetime) -> None:
        """Notes the moment of an announcement or a spoken consent. Again it changes nothing."""
        await self._connection.execute(
            insert(SPOKEN)
            .values(tenant_id=self._tenant, call_id=call_id, evidence_id=evidence_id, at=at)
            .on_conflict_do_nothing()
        )

    async def spoken(self, call_id: str) -> Sequence[datetime]:
        """Returns the moments of all announcements and spoken consents that were given as evidence."""
        query = sa.select(SPOKEN.c.at).where(SPOKEN.c.tenant_id == self._tenant, SPOKEN.c.call_id == call_id)
        return list((await self._connection.execute(query)).scalars())

    async def kept(self, call_id: str) -> Sequence[KeptSound]:
        """Returns the recordings of the call that are kept, with what is silenced of them.

        Without a clock of its own a recording starts with its leg, else with the call; without a known length it
        ends when it was sealed.
        """
        started = sa.func.coalesce(RECORDINGS.c.clock_started_at, LEGS.c.started_at, CALLS.c.started_at)
        query = (
            sa.select(
                RECORDINGS.c.recording_id,
                RECORDINGS.c.leg_id,
                started.label("started_at"),
                RECORDINGS.c.duration_microseconds,
                RECORDINGS.c.sealed_at,
                RECORDINGS.c.masked,
            )
            .select_from(_with_clocks())
            .where(RECORDINGS.c.tenant_id == self._tenant, RECORDINGS.c.call_id == call_id)
            .where(RECORDINGS.c.state.in_(_KEPT))
            .order_by(RECORDINGS.c.recording_id)
        )
        return [_kept(row) for row in await self._connection.execute(query)]


def _with_clocks() -> sa.Join:
    calls = sa.and_(CALLS.c.tenant_id == RECORDINGS.c.tenant_id, CALLS.c.call_id == RECORDINGS.c.call_id)
    legs = sa.and_(
        LEGS.c.tenant_id == RECORDINGS.c.tenant_id,
        LEGS.c.call_id == RECORDINGS.c.call_id,
        LEGS.c.leg_id == RECORDINGS.c.leg_id,
    )
    return RECORDINGS.join(CALLS, calls).outerjoin(LEGS, legs)


def _mark(row: sa.Row[*tuple[Any, ...]]) -> Mark:
    statement = MarkStatement(row.mark_id, row.call_id, _stated(row), row.received_at, row.event_id)
    return Mark(row.position, statement, SignedMark(row.statement, bytes(row.statement_sha256)))


def _stated(row: sa.Row[*tuple[Any, ...]]) -> NewMark:
    return NewMark(MarkKind(row.kind), row.at, row.leg_id, row.reason, row.until)


def _kept(row: sa.Row[*tuple[Any, ...]]) -> KeptSound:
    length = timedelta(microseconds=row.duration_microseconds) or row.sealed_at - row.started_at
    masked = tuple((start, end) for start, end in row.masked or ())
    return KeptSound(row.recording_id, row.leg_id, row.started_at, length, masked)
