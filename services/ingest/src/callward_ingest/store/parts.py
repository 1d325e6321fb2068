"""Parts of renditions, and the objects that are being written, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.recordings import Part
from callward_ingest.store.tables import OPEN_UPLOADS, PARTS, STAGED_OBJECTS
from callward_ingest.store.upload_rows import part_from, part_values

_LOOK_AGAIN_AFTER = timedelta(hours=1)


class DatabaseParts:
    """The parts of one tenant's recordings, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def add(self, upload_id: str, rendition: str, number: int, part: Part) -> None:
        """Puts a part on record; its object is not one that was left behind any more."""
        await self._connection.execute(
            sa.insert(PARTS).values(
                tenant_id=self._tenant,
                recording_id=upload_id,
                rendition=rendition,
                number=number,
                **part_values(part),
            )
        )
        await self._connection.execute(
            sa.delete(STAGED_OBJECTS).where(STAGED_OBJECTS.c.object_key == part.object_key)
        )

    async def all(self, upload_id: str, rendition: str) -> Sequence[Part]:
        """Returns the parts of a rendition, in order."""
        query = (
            sa.select(*PARTS.c)
            .where(PARTS.c.tenant_id == self._tenant, PARTS.c.recording_id == upload_id)
            .where(PARTS.c.rendition == rendition)
            .order_by(PARTS.c.number)
        )
        return [part_from(row) for row in await self._connection.execute(query)]

    async def stage(self, upload_id: str, object_key: str, now: datetime) -> None:
        """Notes an object before it is written, so that a crash cannot hide it."""
        await self._connection.execute(
            sa.insert(STAGED_OBJECTS).values(object_key=object_key, upload_id=upload_id, staged_at=now)
        )
        # An upload that another process has ended and settled meanwhile is looked at once more.
        await self._connection.execute(
            insert(OPEN_UPLOADS)
            .values(upload_id=upload_id, tenant_id=self._tenant, due_at=now + _LOOK_AGAIN_AFTER)
            .on_conflict_do_nothing()
        )

    async def leftovers(self, upload_id: str) -> Sequence[str]:
        """Returns the keys of objects that were begun and are part of nothing."""
        query = sa.select(STAGED_OBJECTS.c.object_key).where(STAGED_OBJECTS.c.upload_id == upload_id)
        return list((await self._connection.execute(query)).scalars())

    async def object_keys(self, upload_id: str) -> Sequence[str]:
        """Returns the keys of every object of an upload, committed or not."""
        query = sa.select(PARTS.c.object_key).where(
            PARTS.c.tenant_id == self._tenant, PARTS.c.recording_id == upload_id
        )
        committed = list((await self._connection.execute(query)).scalars())
        return [*committed, *await self.leftovers(upload_id)]

    async def unstage(self, object_key: str) -> None:
        """Forgets an object that is part of the recording, or gone."""
        await self._connection.execute(
            sa.delete(STAGED_OBJECTS).where(STAGED_OBJECTS.c.object_key == object_key)
        )
