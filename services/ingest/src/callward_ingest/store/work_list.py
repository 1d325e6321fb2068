"""The sweeper's list in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from callward_common.db import Database
from callward_ingest.store.process_hold import LOCK_CLASS
from callward_ingest.store.tables import OPEN_UPLOADS

# Got: nobody holds it, so its process is dead. The lock goes with this transaction.
_NOBODY_HOLDS = sa.and_(
    OPEN_UPLOADS.c.holder.is_not(None),
    sa.func.pg_try_advisory_xact_lock(LOCK_CLASS, OPEN_UPLOADS.c.holder),
)


class DatabaseWorkList:
    """Takes what is due, of all tenants: the one look that is not bound to a tenant, at ids and times alone."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def take(self, now: datetime, until: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Returns (tenant, upload) of what is due, or was in the hands of a process that is dead.

        Others leave it alone until then.
        """
        due = (
            sa.select(OPEN_UPLOADS.c.upload_id)
            .where(sa.or_(OPEN_UPLOADS.c.due_at <= now, _NOBODY_HOLDS))
            .order_by(OPEN_UPLOADS.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        change = (
            sa.update(OPEN_UPLOADS)
            .where(OPEN_UPLOADS.c.upload_id.in_(due.scalar_subquery()))
            .values(due_at=until, holder=None)
            .returning(OPEN_UPLOADS.c.tenant_id, OPEN_UPLOADS.c.upload_id)
        )
        async with self._db.transaction(None) as transaction:
            return [(row.tenant_id, row.upload_id) for row in await transaction.connection.execute(change)]
