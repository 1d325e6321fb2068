"""Reconciliations in PostgreSQL: one statement reads all that one looks at, whatever their number."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.identity import Actor, ActorKind
from callward_ingest.domain.calls import IdentifierKind
from callward_ingest.domain.reconciliation import (
    CallsWanted,
    Detail,
    Finding,
    Item,
    ItemFilter,
    ItemPage,
    Range,
    Reconciliation,
    StoredCall,
)
from callward_ingest.store.reconciliation_tables import FAMILY, ITEMS, RECONCILIATIONS
from callward_ingest.store.tables import CALLS

_R, _I = RECONCILIATIONS.c, ITEMS.c


class DatabaseReconciliations:
    """The reconciliations of one tenant, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find_calls(self, wanted: CallsWanted) -> Sequence[StoredCall] | None:
        """Returns the calls wanted and those that share a reference with one; None: too many are in the range."""
        in_range = (
            sa.select(sa.literal(1))
            .where(
                CALLS.c.tenant_id == self._tenant,
                CALLS.c.started_at >= wanted.within.start,
                CALLS.c.started_at < wanted.within.end,
            )
            .limit(wanted.limit + 1)
        )
        count = sa.select(sa.func.count()).select_from(in_range.subquery())
        if (await self._connection.execute(count)).scalar_one() > wanted.limit:
            return None
        values = {
            "tenant": self._tenant,
            "kind": IdentifierKind.external_reference.value,
            "call_ids": list(wanted.call_ids),
            "quarters": sorted({item.quarter for item in wanted.references}),
            "pseudonyms": [item.value for item in wanted.references],
            "range_from": wanted.within.start,
            "range_to": wanted.within.end,
        }
        return [_stored(row) for row in await self._connection.execute(FAMILY, values)]

    async def add(self, made: Reconciliation, items: Sequence[Item]) -> None:
        """Puts a reconciliation on record."""
        await self._connection.execute(
            sa.insert(RECONCILIATIONS).values(
                tenant_id=self._tenant,
                reconciliation_id=made.reconciliation_id,
                range_from=made.range.start,
                range_to=made.range.end,
                made_at=made.made_at,
                actor_kind=made.actor.kind.value,
                actor_id=made.actor.id,
                actor_issuer=made.actor.issuer,
                **{finding.value: made.counts[finding] for finding in Finding},
            )
        )
        if items:
            shared = {"tenant_id": self._tenant, "reconciliation_id": made.reconciliation_id}
            rows = [{**shared, **_values(number, item)} for number, item in enumerate(items)]
            await self._connection.execute(sa.insert(ITEMS), rows)

    async def find(self, reconciliation_id: str) -> Reconciliation | None:
        """Returns a reconciliation without its items."""
        query = sa.select(*_R).where(_R.tenant_id == self._tenant, _R.reconciliation_id == reconciliation_id)
        row = (await self._connection.execute(query)).first()
        return None if row is None else _reconciliation(row)

    async def items(self, wanted: ItemFilter) -> ItemPage:
        """Returns a page of a reconciliation's items, in order."""
        query = sa.select(*_I).where(
            _I.tenant_id == self._tenant,
            _I.reconciliation_id == wanted.reconciliation_id,
            _I.number > wanted.after,
        )
        if wanted.finding is not None:
            query = query.where(_I.finding == wanted.finding.value)
        rows = (await self._connection.execute(query.order_by(_I.number).limit(wanted.limit + 1))).all()
        shown = rows[: wanted.limit]
        return ItemPage(
            tuple(_item(row) for row in shown), shown[-1].number if len(rows) > wanted.limit else None
        )

    async def page(self, before: str | None, limit: int) -> tuple[Sequence[Reconciliation], bool]:
        """Returns reconciliations, newest first (their ids are UUIDv7), and whether there are more."""
        query = sa.select(*_R).where(_R.tenant_id == self._tenant)
        if before is not None:
            query = query.where(_R.reconciliation_id < before)
        query = query.order_by(_R.reconciliation_id.desc()).limit(limit + 1)
        rows = (await self._connection.execute(query)).all()
        return [_reconciliation(row) for row in rows[:limit]], len(rows) > limit


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredCall:
    return StoredCall(
        call_id=row.call_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        references=frozenset(bytes(each) for each in row.pseudonyms),
        sealed=row.sealed,
        quarantined=row.quarantined,
        receiving=row.receiving,
        duration=timedelta(microseconds=int(row.duration_microseconds)),
    )


def _values(number: int, item: Item) -> dict[str, object]:
    return {
        "number": number,
        "position": item.position,
        "finding": item.finding.value,
        "details": [detail.value for detail in item.details],
        "call_id": item.call_id,
        "other_call_ids": list(item.others),
        "duplicate_of": item.duplicate_of,
    }


def _item(row: sa.Row[*tuple[Any, ...]]) -> Item:
    return Item(
        finding=Finding(row.finding),
        details=tuple(Detail(code) for code in row.details),
        position=row.position,
        call_id=row.call_id,
        others=tuple(row.other_call_ids),
        duplicate_of=row.duplicate_of,
    )


def _reconciliation(row: sa.Row[*tuple[Any, ...]]) -> Reconciliation:
    return Reconciliation(
        reconciliation_id=row.reconciliation_id,
        range=Range(row.range_from, row.range_to),
        made_at=row.made_at,
        actor=Actor(ActorKind(row.actor_kind), row.actor_id, row.actor_issuer),
        counts={finding: getattr(row, finding.value) for finding in Finding},
    )
