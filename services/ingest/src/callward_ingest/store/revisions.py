"""Revisions of calls' metadata in PostgreSQL. Append-only."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.identity import Actor, ActorKind
from callward_ingest.domain.calls import Pseudonym, SealedDocument
from callward_ingest.domain.revisions import Revision, RevisionEntry, RevisionPage
from callward_ingest.store.tables import CALLS, METADATA, PSEUDONYMS

#: Revisions. `document` is the sealed document; nothing of a row ever changes (trigger).
CALL_REVISIONS = sa.Table(
    "call_revisions",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("revision_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("revised_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Text, nullable=False),
    sa.Column("actor_issuer", sa.Text, nullable=False),
    sa.Column("changed", ARRAY(sa.Text), nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("document_sha256", sa.LargeBinary, nullable=False),
    sa.Column("key_id", sa.Uuid(as_uuid=False), nullable=False),
)
_T = CALL_REVISIONS.c
_ENTRY = (
    _T.number,
    _T.revision_id,
    _T.revised_at,
    _T.actor_kind,
    _T.actor_id,
    _T.actor_issuer,
    _T.changed,
)


class DatabaseRevisions:
    """The revisions of one tenant's calls, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def newest(self, call_id: str, *, lock: bool = False) -> int:
        """Returns the number of the newest revision, 0 for none; `lock` holds the call's row until the commit."""
        if lock:
            one = (CALLS.c.tenant_id == self._tenant, CALLS.c.call_id == call_id)
            await self._connection.execute(
                sa.select(CALLS.c.call_id).where(*one).with_for_update(key_share=True)
            )
        # A statement of its own: it sees what was committed by whoever had the lock before.
        query = sa.select(sa.func.coalesce(sa.func.max(_T.number), 0)).where(*self._of(call_id))
        return int((await self._connection.execute(query)).scalar_one())

    async def add(self, call_id: str, revision: Revision, pseudonyms: Sequence[Pseudonym]) -> None:
        """Puts a revision on record, and adds the pseudonyms that the call does not have yet."""
        entry, document = revision.entry, revision.document
        await self._connection.execute(
            sa.insert(CALL_REVISIONS).values(
                tenant_id=self._tenant,
                call_id=call_id,
                number=entry.number,
                revision_id=entry.revision_id,
                revised_at=entry.revised_at,
                actor_kind=entry.actor.kind.value,
                actor_id=entry.actor.id,
                actor_issuer=entry.actor.issuer,
                changed=list(entry.changed),
                document=document.ciphertext,
                document_sha256=document.sha256,
                key_id=document.key_id,
            )
        )
        if pseudonyms:
            rows = [
                {
                    "tenant_id": self._tenant,
                    "kind": item.kind.value,
                    "quarter": item.quarter,
                    "pseudonym": item.value,
                    "call_id": call_id,
                }
                for item in pseudonyms
            ]
            await self._connection.execute(insert(PSEUDONYMS).on_conflict_do_nothing(), rows)

    async def page(self, call_id: str, after: int, limit: int) -> RevisionPage:
        """Returns what is shown of the revisions after a number, in order."""
        query = sa.select(*_ENTRY).where(*self._of(call_id), _T.number > after)
        rows = (await self._connection.execute(query.order_by(_T.number).limit(limit + 1))).all()
        newest = await self.newest(call_id)
        return RevisionPage(tuple(_entry(row) for row in rows[:limit]), len(rows) > limit, newest)

    async def all(self, call_id: str) -> Sequence[Revision]:
        """Returns every revision of a call with its document, in order."""
        query = sa.select(*_ENTRY, _T.document, _T.document_sha256, _T.key_id).where(*self._of(call_id))
        return [
            Revision(_entry(row), SealedDocument(bytes(row.document), bytes(row.document_sha256), row.key_id))
            for row in await self._connection.execute(query.order_by(_T.number))
        ]

    def _of(self, call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (_T.tenant_id == self._tenant, _T.call_id == call_id)


def _entry(row: sa.Row[*tuple[Any, ...]]) -> RevisionEntry:
    actor = Actor(ActorKind(row.actor_kind), row.actor_id, row.actor_issuer)
    return RevisionEntry(row.number, row.revision_id, row.revised_at, actor, tuple(row.changed))
