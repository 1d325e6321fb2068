"""Fakes of the rows of uploads and their parts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from callward_common.errors import JsonValue
from callward_ingest.domain.recordings import (
    Part,
)
from callward_ingest.domain.uploads import Prepared, Upload, UploadState
from tests.unit.ingest.fakes_rows import Rows


class MemoryUploads:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, upload: Upload, due_at: datetime) -> bool:
        if upload.resumable and upload.idempotency_key and await self.find_by_key(upload.idempotency_key):
            return False
        self._rows.uploads[upload.upload_id] = upload
        self._rows.due[upload.upload_id] = due_at
        return True

    async def find(self, upload_id: str, *, lock: bool = False) -> Upload | None:
        return self._rows.uploads.get(upload_id)

    async def find_by_key(self, key: str) -> Upload | None:
        found = (
            each for each in self._rows.uploads.values() if each.resumable and each.idempotency_key == key
        )
        return next(found, None)

    async def open_count(self) -> int:
        open_states = (UploadState.receiving, UploadState.completing)
        return sum(each.state in open_states for each in self._rows.uploads.values())

    async def received_since(self, moment: datetime) -> int:
        return sum(each.received for each in self._rows.uploads.values() if each.created_at >= moment)

    async def begin(
        self, upload_id: str, offset: int, length: int | None, *, commitment: bytes | None = None
    ) -> int | None:
        upload = self._rows.uploads[upload_id]
        if upload.state is not UploadState.receiving or upload.received != offset:
            return None
        self._set(
            upload_id,
            epoch=upload.epoch + 1,
            length=length,
            commitment=upload.commitment or commitment,
        )
        return upload.epoch + 1

    async def acknowledge(self, upload_id: str, epoch: int, offset: int, size: int) -> bool:
        if not self._still(upload_id, epoch, offset):
            return False
        upload = self._rows.uploads[upload_id]
        self._set(upload_id, received=offset + size, parts=upload.parts + 1)
        return True

    async def complete_body(self, upload_id: str, epoch: int, offset: int, fingerprint: bytes | None) -> bool:
        if not self._still(upload_id, epoch, offset):
            return False
        self._set(upload_id, state=UploadState.completing, length=offset, fingerprint=fingerprint)
        return True

    async def prepare(self, upload_id: str, prepared: Prepared) -> None:
        self._set(upload_id, prepared=prepared)

    async def finish(self, upload_id: str, answer: dict[str, JsonValue]) -> bool:
        if self._rows.uploads[upload_id].state is not UploadState.completing:
            return False
        self._set(upload_id, state=UploadState.complete, answer=answer, secret=None)
        return True

    async def give_up(self, upload_id: str, state: UploadState, reason: str) -> bool:
        if self._rows.uploads[upload_id].state is not UploadState.receiving:
            return False
        self._set(upload_id, state=state, reason=reason, idempotency_key=None)
        return True

    async def due(self, upload_id: str, due_at: datetime) -> None:
        self._rows.due[upload_id] = due_at

    async def settled(self, upload_id: str) -> None:
        self._rows.due.pop(upload_id, None)
        if upload_id in self._rows.uploads:
            self._set(upload_id, secret=None)

    def _still(self, upload_id: str, epoch: int, offset: int) -> bool:
        upload = self._rows.uploads[upload_id]
        found = (upload.state, upload.epoch, upload.received)
        return found == (UploadState.receiving, epoch, offset)

    def _set(self, upload_id: str, **changes: object) -> None:
        self._rows.uploads[upload_id] = replace(self._rows.uploads[upload_id], **changes)  # type: ignore[arg-type]


class MemoryParts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def stage(self, upload_id: str, object_key: str, now: datetime) -> None:
        self._rows.staged[object_key] = upload_id

    async def add(self, upload_id: str, rendition: str, number: int, part: Part) -> None:
        assert (upload_id, rendition, number) not in self._rows.parts
        self._rows.parts[upload_id, rendition, number] = part
        self._rows.staged.pop(part.object_key, None)

    async def all(self, upload_id: str, rendition: str) -> Sequence[Part]:
        found = sorted(
            (key[2], part) for key, part in self._rows.parts.items() if key[:2] == (upload_id, rendition)
        )
        return [part for _, part in found]

    async def leftovers(self, upload_id: str) -> Sequence[str]:
        return [key for key, owner in self._rows.staged.items() if owner == upload_id]

    async def object_keys(self, upload_id: str) -> Sequence[str]:
        committed = [part.object_key for key, part in self._rows.parts.items() if key[0] == upload_id]
        return [*committed, *await self.leftovers(upload_id)]

    async def unstage(self, object_key: str) -> None:
        self._rows.staged.pop(object_key, None)
