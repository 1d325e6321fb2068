"""Ending an upload without a recording, so that nothing of it remains."""

import logging

from callward_common.clock import Clock
from callward_common.errors import InternalError
from callward_ingest.app.objects import Objects
from callward_ingest.app.sessions import Sessions
from callward_ingest.domain.events import UploadAbandoned
from callward_ingest.domain.uploads import GIVEN_UP, Upload, UploadState
from callward_ingest.ports import Keys, Units

_log = logging.getLogger(__name__)


class Endings:
    """Ends uploads, in steps that may be cut short anywhere: what is left of them the sweeper does.

    Objects are deleted only once the row durably says that the upload has ended. The row ends once, so an upload
    whose sealing went through although its answer got lost is found complete and left alone.
    """

    def __init__(self, units: Units, keys: Keys, objects: Objects, sessions: Sessions, clock: Clock) -> None:
        self._units, self._keys, self._objects, self._sessions, self._clock = (
            units,
            keys,
            objects,
            sessions,
            clock,
        )
        self._owed: dict[str, tuple[str, str | None, str]] = {}

    async def end(self, upload: Upload, state: UploadState, reason: str) -> bool:
        """Marks an upload ended, gives its key up and deletes its objects; False when it has ended otherwise.

        Nothing is raised: where the database does not answer, the upload stays as it is until it is due.
        """
        await self._sessions.drop(upload.upload_id)
        try:
            ended = await self._mark(upload, state, reason)
        except Exception:
            _log.exception("upload not given up", extra={"recording_id": upload.upload_id})
            if not upload.resumable:
                self._owed[upload.upload_id] = (upload.tenant, upload.idempotency_key, reason)
            return False
        if ended:
            await self.clean(upload, state, reason)
        return ended

    async def forget(self, tenant: str, key: str | None, upload_id: str, reason: str) -> None:
        """Ends a plain upload of which it is not known whether it came on record, and lets go of its Idempotency-Key.

        Nothing is raised: where the database does not answer, it is owed.
        """
        try:
            async with self._units.begin(tenant) as unit:
                upload = await unit.uploads.find(upload_id)
                if upload is None and key is not None:
                    await unit.idempotency.release(key, upload_id)
        except Exception:
            _log.exception("upload not given up", extra={"recording_id": upload_id})
            self._owed[upload_id] = (tenant, key, reason)
            return
        if upload is not None and upload.state is UploadState.receiving:
            await self.end(upload, UploadState.failed, reason)

    async def make_up(self) -> None:
        """Ends the plain uploads that could not be ended when their requests broke: nobody goes on with them.

        Without it their senders would wait until the hold on their Idempotency-Key is over.
        """
        for upload_id in tuple(self._owed):
            tenant, key, reason = self._owed.pop(upload_id)
            await self.forget(tenant, key, upload_id, reason)

    async def clean(self, upload: Upload, state: UploadState, reason: str) -> bool:
        """Gives the key up and deletes every object, then forgets the upload; False when something is left to do."""
        if state not in GIVEN_UP:
            raise ValueError("an upload that goes on is not cleaned away")
        try:
            if upload.secret is not None:
                await self._close_key(upload, reason)
            removed = await self._remove_all(upload)
            async with self._units.begin(upload.tenant) as unit:
                await unit.uploads.settled(upload.upload_id)
        except Exception:
            # What remains is ciphertext, and the sweeper comes back to it.
            _log.exception(
                "an ended upload is not yet cleaned away", extra={"recording_id": upload.upload_id}
            )
            return False
        _log.info(
            "an ended upload was cleaned away",
            extra={"recording_id": upload.upload_id, "reason": reason, "count": removed},
        )
        return True

    async def _mark(self, upload: Upload, state: UploadState, reason: str) -> bool:
        async with self._units.begin(upload.tenant) as unit:
            if not await unit.uploads.give_up(upload.upload_id, state, reason):
                return False
            # After it: an upload that is whole after all keeps its key, or a retry would make a second recording.
            if upload.idempotency_key is not None:
                await unit.idempotency.release(upload.idempotency_key, upload.upload_id)
            await unit.attempts.abandon(upload.upload_id)
            await unit.uploads.due(upload.upload_id, self._clock.now())
            unit.record(UploadAbandoned(upload.actor, upload.upload_id, upload.call_id, reason))
        return True

    async def _remove_all(self, upload: Upload) -> int:
        async with self._units.begin(upload.tenant) as unit:
            keys = await unit.parts.object_keys(upload.upload_id)
        return sum([await self._objects.remove(upload, key) for key in keys])

    async def _close_key(self, upload: Upload, reason: str) -> None:
        try:
            await self._keys.abandon(upload.subject, reason)
        except InternalError:
            # Asking again would come to the same. The key closes when its time is over, on key-management's clock.
            _log.exception("key of an ended upload not given up", extra={"recording_id": upload.upload_id})
