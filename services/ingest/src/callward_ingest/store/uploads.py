"""Uploads and their parts in PostgreSQL."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.errors import JsonValue
from callward_ingest.domain.uploads import Prepared, Upload, UploadState
from callward_ingest.store.tables import OPEN_UPLOADS, UPLOADS
from callward_ingest.store.upload_rows import (
    prepared_json,
    upload_from,
    upload_values,
)

_OPEN = (UploadState.receiving.value, UploadState.completing.value)


class DatabaseUploads:
    """The uploads of one tenant, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str, *, holder: int | None = None) -> None:
        """`holder`: the number of this process, for uploads that only it can go on with."""
        self._connection = connection
        self._tenant = tenant
        self._holder = holder

    async def add(self, upload: Upload, due_at: datetime) -> bool:
        """Puts a new upload on record; the sweeper looks at it from `due_at` on. False when its key is taken."""
        statement = (
            insert(UPLOADS)
            .values(**upload_values(upload))
            .on_conflict_do_nothing()
            .returning(UPLOADS.c.upload_id)
        )
        if (await self._connection.execute(statement)).first() is None:
            return False
        await self._connection.execute(
            sa.insert(OPEN_UPLOADS).values(
                upload_id=upload.upload_id,
                tenant_id=self._tenant,
                due_at=due_at,
                holder=None if upload.resumable else self._holder,
            )
        )
        return True

    async def find(self, upload_id: str, *, lock: bool = False) -> Upload | None:
        """Returns an upload; `lock` keeps it as it is until the transaction ends."""
        query = sa.select(*UPLOADS.c).where(*self._one(upload_id))
        if lock:
            query = query.with_for_update()
        row = (await self._connection.execute(query)).first()
        return None if row is None else upload_from(row)

    async def find_by_key(self, key: str) -> Upload | None:
        """Returns the resumable upload that was created with an Idempotency-Key."""
        query = sa.select(*UPLOADS.c).where(
            UPLOADS.c.tenant_id == self._tenant,
            UPLOADS.c.idempotency_key == key,
            UPLOADS.c.resumable,
        )
        row = (await self._connection.execute(query)).first()
        return None if row is None else upload_from(row)

    async def open_count(self) -> int:
        """Returns how many of the tenant's uploads have not ended."""
        query = sa.select(sa.func.count()).where(
            UPLOADS.c.tenant_id == self._tenant, UPLOADS.c.state.in_(_OPEN)
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def received_since(self, moment: datetime) -> int:
        """Returns the bytes that the tenant's uploads begun since then have brought."""
        query = sa.select(sa.func.coalesce(sa.func.sum(UPLOADS.c.received), 0)).where(
            UPLOADS.c.tenant_id == self._tenant, UPLOADS.c.created_at >= moment
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def begin(
        self, upload_id: str, offset: int, length: int | None, *, commitment: bytes | None = None
    ) -> int | None:
        """Begins an append at `offset`; returns its epoch, or None where the upload does not end there any more."""
        change = (
            sa.update(UPLOADS)
            .where(*self._one(upload_id), UPLOADS.c.received == offset)
            .where(UPLOADS.c.state == UploadState.receiving.value)
            .values(
                epoch=UPLOADS.c.epoch + 1,
                length=length,
                commitment=sa.func.coalesce(UPLOADS.c.commitment, commitment),
            )
            .returning(UPLOADS.c.epoch)
        )
        row = (await self._connection.execute(change)).first()
        return None if row is None else int(row.epoch)

    async def acknowledge(self, upload_id: str, epoch: int, offset: int, size: int) -> bool:
        """Acknowledges `size` more bytes: compare and swap on (offset, epoch). False when the append was overtaken."""
        change = (
            sa.update(UPLOADS)
            .where(*self._one(upload_id), UPLOADS.c.epoch == epoch, UPLOADS.c.received == offset)
            .where(UPLOADS.c.state == UploadState.receiving.value)
            .values(received=offset + size, parts=UPLOADS.c.parts + 1)
            .returning(UPLOADS.c.upload_id)
        )
        return (await self._connection.execute(change)).first() is not None

    async def complete_body(self, upload_id: str, epoch: int, offset: int, fingerprint: bytes | None) -> bool:
        """Marks an upload whole: from here on it is sealed, whatever happens. False when it was overtaken."""
        change = (
            sa.update(UPLOADS)
            .where(*self._one(upload_id), UPLOADS.c.epoch == epoch, UPLOADS.c.received == offset)
            .where(UPLOADS.c.state == UploadState.receiving.value)
            .values(state=UploadState.completing.value, length=offset, fingerprint=fingerprint)
            .returning(UPLOADS.c.upload_id)
        )
        if (await self._connection.execute(change)).first() is None:
            return False
        # Whoever brought the last byte seals it; should it die, nobody waits for a deadline.
        await self._connection.execute(
            sa.update(OPEN_UPLOADS).where(OPEN_UPLOADS.c.upload_id == upload_id).values(holder=self._holder)
        )
        return True

    async def prepare(self, upload_id: str, prepared: Prepared) -> None:
        """Settles the manifest, once: sealing may be tried again and comes to the same."""
        await self._connection.execute(
            sa.update(UPLOADS)
            .where(*self._one(upload_id), UPLOADS.c.state == UploadState.completing.value)
            .where(UPLOADS.c.manifest.is_(None))
            .values(manifest=prepared.manifest, prepared=prepared_json(prepared))
        )

    async def finish(self, upload_id: str, answer: dict[str, JsonValue]) -> bool:
        """Ends a whole upload with its answer; False when it has ended otherwise."""
        return await self._end(
            upload_id,
            UploadState.completing,
            state=UploadState.complete.value,
            answer=answer,
            secret=None,
        )

    async def give_up(self, upload_id: str, state: UploadState, reason: str) -> bool:
        """Ends an upload without a recording; False when it is whole or has ended already.

        Its secret stays until the upload is settled: with it the key is given up. Its Idempotency-Key is free at once:
        the same request, sent again, begins anew.
        """
        return await self._end(
            upload_id, UploadState.receiving, state=state.value, reason=reason, idempotency_key=None
        )

    async def due(self, upload_id: str, due_at: datetime) -> None:
        """Sets when the sweeper looks at an upload."""
        await self._connection.execute(
            insert(OPEN_UPLOADS)
            .values(upload_id=upload_id, tenant_id=self._tenant, due_at=due_at)
            .on_conflict_do_update(index_elements=["upload_id"], set_={"due_at": due_at})
        )

    async def settled(self, upload_id: str) -> None:
        """Takes an upload off the sweeper's list and forgets its secret: nothing is left to do."""
        await self._connection.execute(
            sa.update(UPLOADS).where(*self._one(upload_id), UPLOADS.c.secret.is_not(None)).values(secret=None)
        )
        await self._connection.execute(sa.delete(OPEN_UPLOADS).where(OPEN_UPLOADS.c.upload_id == upload_id))

    async def _end(self, upload_id: str, before: UploadState, **values: Any) -> bool:
        change = (
            sa.update(UPLOADS)
            .where(*self._one(upload_id), UPLOADS.c.state == before.value)
            .values(**values)
            .returning(UPLOADS.c.upload_id)
        )
        return (await self._connection.execute(change)).first() is not None

    def _one(self, upload_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (UPLOADS.c.tenant_id == self._tenant, UPLOADS.c.upload_id == upload_id)
