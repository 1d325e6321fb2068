"""Appending: bytes in, parts durable, every acknowledgement kept."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_common.objects.store import ObjectMissing
from callward_ingest.app.endings import Endings
from callward_ingest.app.feed import Feed, Interruption
from callward_ingest.app.intake import REPR_DIGEST, Intake, demand_digest
from callward_ingest.app.limits import Limits
from callward_ingest.app.objects import Objects
from callward_ingest.app.once import key_in_use
from callward_ingest.app.opening import new_object_key
from callward_ingest.app.sessions import Session, Sessions
from callward_ingest.app.upload import OpenUpload
from callward_ingest.domain.errors import (
    BodyIncomplete,
    BodyTimeout,
    BodyTooLarge,
    DigestMismatch,
    InconsistentUploadLength,
    TooManyParts,
    UploadEnded,
    UploadInterrupted,
)
from callward_ingest.domain.fingerprints import FingerprintKey, commit_to_digest
from callward_ingest.domain.idempotency import Claimant
from callward_ingest.domain.recordings import ORIGINAL, Part
from callward_ingest.domain.uploads import Upload, UploadState
from callward_ingest.ports import Unit, Units

SEAL_AGAIN_AFTER = timedelta(seconds=30)
"""When the sweeper looks at an upload that is whole and not yet sealed."""
_UNTIL_SEALED = timedelta(days=7)
_BROKE_OFF = (BodyIncomplete, BodyTimeout, UploadInterrupted)
Acknowledge = Callable[[int], Awaitable[None]]
"""Is told every new offset that is durable."""


@dataclass(frozen=True, slots=True)
class Append:
    """What is appended: the body, and whether the upload is whole with it. `whole`: all of the body or nothing.

    `complete_at`: the upload is whole at that offset too.
    """

    intake: Intake
    complete: bool
    acknowledge: Acknowledge
    whole: bool = False
    complete_at: int | None = None

    def completes(self, offset: int) -> bool:
        """Tells whether an upload that has come to `offset` is whole."""
        return self.complete or offset == self.complete_at

    def needs_no_more(self, offset: int, broken: CallwardError) -> bool:
        """Tells whether a body that broke off had brought its last byte already: the upload is whole all the same."""
        return offset == self.complete_at and isinstance(broken, _BROKE_OFF)


class Appends:
    """Takes the body of one request into an upload whose append has begun."""

    def __init__(
        self,
        *,
        units: Units,
        objects: Objects,
        sessions: Sessions,
        endings: Endings,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._units, self._objects, self._sessions, self._endings = units, objects, sessions, endings
        self._clock, self._limits = clock, limits

    async def run(self, opened: OpenUpload, append: Append, interruption: Interruption) -> Upload:
        """Takes the body in; returns the upload as it is then: whole and `completing`, or to be continued.

        What broke the body off is raised after what came before it was made durable. More bytes than the stated
        length, a wrong Repr-Digest and a body over the limit end the upload.
        """
        session = await self._sessions.take(opened)
        feed = Feed(
            append.intake,
            session,
            interruption,
            self._clock,
            self._limits.parts,
            whole=append.whole or append.intake.verifies,
        )
        upload = opened.upload
        kept = False
        try:
            upload = await self._take_parts(opened, feed, append)
            if feed.broken is not None and not append.needs_no_more(upload.received, feed.broken):
                raise feed.broken
            if append.completes(upload.received):
                upload = await self._complete(upload, session, append, opened.fingerprint_key)
                kept = True
                return upload
            kept = True
            await self._sessions.keep(upload, session)
            return upload
        except (BodyTooLarge, InconsistentUploadLength, DigestMismatch) as error:
            if not isinstance(error, DigestMismatch) or error.extra.get("header") == REPR_DIGEST:
                await self._endings.end(upload, UploadState.failed, error.type)
            raise
        finally:
            await feed.close()
            if feed.broken is not None and session.position == upload.received and not kept:
                kept = True
                await self._sessions.keep(upload, session)
            if not kept:
                await session.close()

    async def _take_parts(self, opened: OpenUpload, feed: Feed, append: Append) -> Upload:
        upload = opened.upload
        while await feed.more():
            if upload.parts >= self._limits.parts.count:
                raise TooManyParts(
                    f"A recording has at most {self._limits.parts.count} parts.",
                    extra={"limit": self._limits.parts.count},
                )
            upload = await self._take_part(replace(opened, upload=upload), feed)
            await append.acknowledge(upload.received)
        whole_and_empty = append.completes(upload.received) and feed.broken is None and upload.parts == 0
        return await self._take_part(replace(opened, upload=upload), feed) if whole_and_empty else upload

    async def _take_part(self, opened: OpenUpload, feed: Feed) -> Upload:
        upload = opened.upload
        # The only part of a plain upload has the key of its attempt; a part that may be tried again has its own.
        object_key = new_object_key() if upload.resumable else upload.object_key
        part = await self._objects.write_part(
            upload, ORIGINAL, upload.parts, opened.data_key.subkey, object_key, feed.part()
        )
        received = upload.received + part.plaintext_size
        if upload.length is not None and received > upload.length:
            raise InconsistentUploadLength("More bytes came than the stated length.")
        try:
            await self._commit(upload, part)
        except UploadInterrupted:
            # Whoever ended the upload meanwhile may have cleaned it away before this object was durable.
            await self._objects.remove(upload, part.object_key)
            raise
        return replace(upload, received=received, parts=upload.parts + 1)

    async def _commit(self, upload: Upload, part: Part) -> None:
        async with self._units.begin(upload.tenant) as unit:
            done = await unit.uploads.acknowledge(
                upload.upload_id, upload.epoch, upload.received, part.plaintext_size
            )
            if not done:
                raise UploadInterrupted(
                    "A newer request took the upload over.", retry_after=self._limits.retry_after_seconds
                )
            await unit.parts.add(upload.upload_id, ORIGINAL, upload.parts, part)

    async def _demand_parts(self, upload: Upload) -> None:
        """Ends an upload that lost a part in the store, rather than seal what nobody can hear."""
        if not upload.resumable:
            return
        async with self._units.begin(upload.tenant) as unit:
            parts = await unit.parts.all(upload.upload_id, ORIGINAL)
        try:
            for part in parts:
                await self._objects.demand(part)
        except ObjectMissing:
            await self._endings.end(upload, UploadState.failed, "part-lost")
            raise UploadEnded(
                "A part of the upload is lost in the store. Create a new one.",
                extra={"state": UploadState.failed.value},
            ) from None

    async def _keep_key(self, unit: Unit, upload: Upload) -> None:
        """A plain upload that is whole keeps its Idempotency-Key until it is sealed: a retry makes no second one."""
        if upload.idempotency_key is None or upload.resumable:
            return
        claimant = Claimant(upload.upload_id, self._clock.now() + _UNTIL_SEALED)
        if not await unit.idempotency.renew(upload.idempotency_key, claimant):
            raise key_in_use(self._limits)

    async def _complete(
        self, upload: Upload, session: Session, append: Append, key: FingerprintKey
    ) -> Upload:
        if upload.length is not None and upload.length != upload.received:
            raise InconsistentUploadLength("The upload is whole, but not of the stated length.")
        if upload.commitment is not None and session.digest is not None:
            nonce = key.receipt_nonce(upload.upload_id)
            demand_digest(REPR_DIGEST, upload.commitment, commit_to_digest(nonce, session.digest))
        await self._demand_parts(upload)
        fingerprint = append.intake.fingerprint
        async with self._units.begin(upload.tenant) as unit:
            done = await unit.uploads.complete_body(
                upload.upload_id, upload.epoch, upload.received, fingerprint
            )
            if not done:
                raise UploadInterrupted(
                    "A newer request took the upload over.", retry_after=self._limits.retry_after_seconds
                )
            await unit.uploads.due(upload.upload_id, self._clock.now() + SEAL_AGAIN_AFTER)
            await self._keep_key(unit, upload)
        await self._sessions.keep(upload, session)
        return replace(upload, state=UploadState.completing, length=upload.received, fingerprint=fingerprint)
