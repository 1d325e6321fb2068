"""The history of public signing keys, in PostgreSQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_common.db import Database
from callward_common.errors import InvalidRequest
from callward_keys.domain.documents import DocumentType, PublicKey
from callward_keys.store.tables import SIGNING_KEYS

_COLUMNS = (
    SIGNING_KEYS.c.key_id,
    SIGNING_KEYS.c.document_type,
    SIGNING_KEYS.c.version,
    SIGNING_KEYS.c.public_key,
    SIGNING_KEYS.c.created_at,
)


class DatabasePublicKeys:
    """Keeps public keys; nothing is ever changed or removed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, keys: Sequence[PublicKey]) -> None:
        """Puts keys on record that are not there yet."""
        rows = [
            {
                "key_id": key.key_id,
                "document_type": key.document_type.value,
                "version": key.version,
                "public_key": key.public_key,
                "created_at": key.created_at,
            }
            for key in keys
        ]
        async with self._db.transaction() as transaction:
            await transaction.connection.execute(insert(SIGNING_KEYS).on_conflict_do_nothing(), rows)

    async def page(self, size: int, after: str | None) -> Sequence[PublicKey]:
        """Returns at most `size` keys, newest first, that follow the key with id `after`."""
        order = sa.tuple_(SIGNING_KEYS.c.created_at, SIGNING_KEYS.c.key_id)
        query = sa.select(*_COLUMNS).order_by(SIGNING_KEYS.c.created_at.desc(), SIGNING_KEYS.c.key_id.desc())
        async with self._db.transaction() as transaction:
            if after is not None:
                last = sa.select(SIGNING_KEYS.c.created_at).where(SIGNING_KEYS.c.key_id == after)
                created_at = (await transaction.connection.execute(last)).scalar_one_or_none()
                if created_at is None:
                    raise InvalidRequest("page_token is not one of this list.")
                query = query.where(order < sa.tuple_(sa.literal(created_at), sa.literal(after)))
            rows = await transaction.connection.execute(query.limit(size))
            return [_key(row) for row in rows.mappings()]


def _key(row: sa.RowMapping) -> PublicKey:
    document_type = DocumentType(row["document_type"])
    return PublicKey(row["key_id"], document_type, row["version"], row["public_key"], row["created_at"])
