"""Which event each receipt names, in PostgreSQL."""

import sqlalchemy as sa

from callward_common.db import Database
from callward_ingest.store.tables import RECORDINGS


class DatabaseReceiptEvents:
    """Reads the event ids of receipts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def event_of(self, tenant: str, recording_id: str) -> str | None:
        """Returns the id of the event that a recording's receipt names; None where there is no receipt."""
        query = sa.select(RECORDINGS.c.event_id).where(
            RECORDINGS.c.tenant_id == tenant,
            RECORDINGS.c.recording_id == recording_id,
            RECORDINGS.c.receipt.is_not(None),
        )
        async with self._db.transaction(tenant) as transaction:
            found = (await transaction.connection.execute(query)).scalar_one_or_none()
        return None if found is None else str(found)
