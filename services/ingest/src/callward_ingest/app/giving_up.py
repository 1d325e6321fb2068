"""Giving an attempt up, so that nothing of it remains."""

import logging

from callward_common.objects.store import ObjectStore
from callward_ingest.app.upload import Progress
from callward_ingest.domain.events import UploadAbandoned
from callward_ingest.domain.keys import Subject
from callward_ingest.domain.recordings import RecordingState
from callward_ingest.ports import Keys, Units

_log = logging.getLogger(__name__)


class GivingUp:
    """Undoes attempts.

    Objects are deleted only once the row durably says `abandoned`. The row moves away from `receiving` once, so an
    attempt whose commit went through although its answer got lost is found sealed here and is left alone.
    """

    def __init__(self, units: Units, keys: Keys, objects: ObjectStore) -> None:
        self._units = units
        self._keys = keys
        self._objects = objects

    async def give_up(self, progress: Progress, reason: str) -> RecordingState | None:
        """Frees the Idempotency-Key, marks the attempt, deletes its objects and gives its key up.

        Returns the state that the attempt is in; None where it was not begun, or where the database does not
        answer: then everything stays until the key's hold has run out and a retry clears it away.
        """
        try:
            state = await self._mark(progress, reason)
        except Exception:
            _log.exception("attempt not given up", extra={"recording_id": progress.recording_id})
            return None
        if state is RecordingState.abandoned:
            if progress.attempt is not None:
                await self.remove_objects(progress.attempt.object_key)
            if progress.subject is not None:
                await self._close_key(progress.subject, reason)
        return state

    async def remove_objects(self, object_key: str) -> None:
        """Deletes every version of an attempt's object and of the manifest beside it."""
        try:
            # The versions are read first: deleting while listing may skip some.
            for found in [version async for version in self._objects.versions(object_key)]:
                await self._objects.delete(found.key, found.version_id)
        except Exception:
            # What remains is ciphertext: its key is given up next, or by key-management once its time is over.
            _log.exception("objects of an abandoned attempt not deleted")

    async def _mark(self, progress: Progress, reason: str) -> RecordingState | None:
        upload, recording_id = progress.upload, progress.recording_id
        async with self._units.begin(upload.tenant) as unit:
            await unit.idempotency.release(upload.key, recording_id)
            if progress.attempt is None:
                return None
            if await unit.attempts.abandon(recording_id):
                unit.record(UploadAbandoned(upload.actor, recording_id, upload.call_id, reason))
                return RecordingState.abandoned
            found = await unit.recordings.find(recording_id)
        return found[0].state if found else None

    async def _close_key(self, subject: Subject, reason: str) -> None:
        try:
            await self._keys.abandon(subject, reason)
        except Exception:
            # A key that stays open is closed to ingest when its time is over, on key-management's clock.
            _log.warning(
                "key of an abandoned attempt not given up", extra={"recording_id": subject.subject_id}
            )
