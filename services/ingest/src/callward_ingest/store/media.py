"""What is needed to play a recording, in PostgreSQL."""

from callward_common.db import Database
from callward_ingest.domain.recordings import Recording
from callward_ingest.store.recordings import DatabaseRecordings


class DatabaseMedia:
    """Reads recordings for playing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(
        self, tenant: str, recording_id: str, known: bytes
    ) -> tuple[Recording, bytes, bytes | None] | None:
        """Returns a recording with its manifest's hash, and its bytes unless the hash is `known`; None without one."""
        async with self._db.transaction(tenant) as transaction:
            return await DatabaseRecordings(transaction.connection, tenant).media(recording_id, known)
