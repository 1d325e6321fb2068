"""The last signed checkpoint of each origin, in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_common.db import Database, Transaction
from callward_keys.domain.checkpoints import Checkpoint, SignedCheckpoint
from callward_keys.ports import Checkpoints
from callward_keys.store.tables import CHECKPOINTS


class DatabaseCheckpoints:
    """Begins units of work on one origin."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, origin: str) -> AsyncIterator[Checkpoints]:
        """Begins a transaction with the origin's row locked, made when there is none."""
        async with self._db.transaction() as transaction:
            # A row to lock also before the first checkpoint: two first ones are signed one after the other too.
            empty = {"origin": origin, "size": 0, "root": b"", "note": "", "signing_key_id": ""}
            await transaction.connection.execute(insert(CHECKPOINTS).values(empty).on_conflict_do_nothing())
            locked = sa.select(CHECKPOINTS.c.origin).where(CHECKPOINTS.c.origin == origin).with_for_update()
            await transaction.connection.execute(locked)
            yield LockedCheckpoints(transaction)

    async def last(self, origin: str) -> SignedCheckpoint | None:
        """Returns the last one without a lock."""
        async with self._db.transaction() as transaction:
            return await LockedCheckpoints(transaction).last(origin)


class LockedCheckpoints:
    """The checkpoints within one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._connection = transaction.connection

    async def last(self, origin: str) -> SignedCheckpoint | None:
        """Returns the last one, None when there is none."""
        query = sa.select(
            CHECKPOINTS.c.size, CHECKPOINTS.c.root, CHECKPOINTS.c.note, CHECKPOINTS.c.signing_key_id
        ).where(CHECKPOINTS.c.origin == origin, CHECKPOINTS.c.note != "")
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return SignedCheckpoint(Checkpoint(origin, row.size, row.root), row.note, row.signing_key_id)

    async def replace(self, checkpoint: SignedCheckpoint) -> None:
        """Puts a newer one in its place. A trigger lets the size only grow."""
        values = {
            "size": checkpoint.checkpoint.size,
            "root": checkpoint.checkpoint.root,
            "note": checkpoint.note,
            "signing_key_id": checkpoint.signing_key_id,
        }
        mine = CHECKPOINTS.c.origin == checkpoint.checkpoint.origin
        await self._connection.execute(sa.update(CHECKPOINTS).where(mine).values(values))
