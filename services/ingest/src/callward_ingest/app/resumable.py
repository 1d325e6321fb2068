"""Uploads that resume: created, appended to, looked at, cancelled; sealed once they are whole."""

import hmac
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from callward_common.clock import Clock
from callward_common.errors import CallwardError, InvalidRequest, JsonValue
from callward_ingest.app.appends import Acknowledge, Append
from callward_ingest.app.background import Background
from callward_ingest.app.feed import Interruption
from callward_ingest.app.intake import Intake, body_too_large
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import key_reused
from callward_ingest.app.opening import new_upload_id
from callward_ingest.app.upload import NewUpload, OpenUpload, not_sealed, retryable, with_nonce
from callward_ingest.app.upload_core import UploadCore
from callward_ingest.domain.errors import (
    CallNotFound,
    CompletedUpload,
    InconsistentUploadLength,
    MismatchingUploadOffset,
    UploadEnded,
    UploadInterrupted,
    UploadNotFound,
)
from callward_ingest.domain.fingerprints import commit_to_digest
from callward_ingest.domain.uploads import GIVEN_UP, Upload, UploadState, settled_length
from callward_ingest.ports import Units


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of one request. `length`: of the whole upload, where stated; `digest`: of these bytes, where stated; `representation`: of the whole.

    `acknowledge` is told every offset that is durable, while the request runs. `verifies`: the body checks itself at
    its end, and nothing is acknowledged before. `complete_at`: the upload is whole once it has so many bytes, whatever
    `complete` says.
    """

    body: AsyncIterable[bytes]
    complete: bool
    acknowledge: Acknowledge
    length: int | None = None
    digest: bytes | None = None
    representation: bytes | None = None
    verifies: bool = False
    complete_at: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: the upload as it is now, and the recording's answer once it is whole."""

    upload: Upload
    answer: dict[str, JsonValue] | None = None


class Resumable:
    """The use cases of resumable uploads (draft-ietf-httpbis-resumable-upload, and tus 1.0 beside it)."""

    def __init__(
        self,
        *,
        core: UploadCore,
        units: Units,
        background: Background,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._units, self._opening, self._appends = units, core.opening, core.appends
        self._completing, self._endings = core.completing, core.endings
        self._quotas, self._running = core.quotas, core.running
        self._background, self._clock, self._limits = background, clock, limits

    async def create(
        self, wanted: NewUpload, sent: Bytes, announce: Callable[[Upload], Awaitable[None]]
    ) -> Outcome:
        """Opens an upload, announces it, and takes in what came with the request.

        The same Idempotency-Key gives the same upload again; nothing of the body is taken then.
        """
        if wanted.length is not None and wanted.length > self._limits.max_body_bytes:
            raise body_too_large(self._limits.max_body_bytes)
        async with self._running.place(wanted.tenant):
            known = await self._known(wanted)
            if known is not None:
                return await self._again(known)
            upload_id = new_upload_id()
            async with self._running.alone(upload_id) as interruption:
                opened = await self._open(wanted, upload_id)
                await announce(opened.upload)
                return await self._take(opened, sent, interruption, created=True)

    async def append(self, tenant: str, upload_id: str, offset: int, sent: Bytes) -> Outcome:
        """Takes bytes in at an offset. Raises MismatchingUploadOffset, CompletedUpload, UploadEnded and others."""
        # Before anything is interrupted: an upload of another tenant is none of the sender's business.
        await self._find(tenant, upload_id)
        async with self._running.place(tenant), self._running.alone(upload_id) as interruption:
            upload = await self._live(await self._find(tenant, upload_id))
            if upload.state is not UploadState.receiving:
                return await self._append_to_whole(upload, sent)
            if offset != upload.received:
                raise mismatch(upload.received, offset)
            length = settled_length(upload.length, sent.length)
            if length is not None and length > self._limits.max_body_bytes:
                raise body_too_large(self._limits.max_body_bytes)
            try:
                opened = await self._opening.reopen(upload)
            except CallwardError as error:
                raise self._away(error) from error
            opened = _with_digest(opened, sent.representation)
            return await self._take(opened, replace(sent, length=length), interruption)

    async def look(self, tenant: str, upload_id: str) -> Upload:
        """Returns an upload at an offset that holds: an append that still runs is ended first."""
        await self._find(tenant, upload_id)
        async with self._running.alone(upload_id):
            return await self._live(await self._find(tenant, upload_id))

    async def status(self, tenant: str, upload_id: str) -> Upload:
        """Returns an upload as it is, and lets what runs go on. One that has ended is shown too."""
        return await self._find(tenant, upload_id)

    async def cancel(self, tenant: str, upload_id: str) -> None:
        """Ends an upload for good: nothing of it remains. One that is whole is a recording and stays."""
        await self._find(tenant, upload_id)
        async with self._running.alone(upload_id):
            upload = await self._find(tenant, upload_id)
            if upload.state in GIVEN_UP:
                return
            if upload.state is UploadState.receiving:
                ended = self._endings.end(upload, UploadState.cancelled, "cancelled-by-sender")
                if await self._background.finish(ended):
                    return
                upload = await self._find(tenant, upload_id)
            if upload.state is UploadState.receiving:
                raise UploadInterrupted(
                    "The upload could not be cancelled now.", retry_after=self._limits.retry_after_seconds
                )
            if upload.state in GIVEN_UP:
                return
            raise CompletedUpload("The upload is whole: it is a recording, and is not cancelled any more.")

    async def _known(self, wanted: NewUpload) -> Upload | None:
        if wanted.key is None:
            return None
        async with self._units.begin(wanted.tenant) as unit:
            known = await unit.uploads.find_by_key(wanted.key)
        if known is not None and not await self._same(known, wanted):
            raise key_reused()
        return known

    async def _same(self, known: Upload, wanted: NewUpload) -> bool:
        """Tells whether a request is the one that opened an upload, as far as both say what they bring."""
        if (known.call_id, known.media_type) != (wanted.call_id, wanted.media_type):
            return False
        if None not in (known.length, wanted.length) and known.length != wanted.length:
            return False
        digest = wanted.stated.representation
        if known.commitment is None or digest is None:
            return True
        key = await self._opening.fingerprint_key(known)
        return hmac.compare_digest(
            known.commitment, commit_to_digest(key.receipt_nonce(known.upload_id), digest)
        )

    async def _open(self, wanted: NewUpload, upload_id: str) -> OpenUpload:
        async with self._units.begin(wanted.tenant) as unit:
            call = await unit.calls.find(wanted.call_id)
        if call is None:
            raise CallNotFound("There is no such call.")
        await self._quotas.demand_room(wanted.tenant)
        upload: Upload | None = None
        try:
            upload = await self._opening.register(wanted, call, upload_id, None)
            return await self._opening.issue(upload)
        except BaseException as error:
            if upload is not None:
                ended = self._endings.end(upload, UploadState.failed, "key-not-issued")
                await self._background.finish(ended)
            if isinstance(error, CallwardError):
                raise retryable(error, self._limits.retry_after_seconds) from error
            raise

    async def _take(
        self, opened: OpenUpload, sent: Bytes, interruption: Interruption, *, created: bool = False
    ) -> Outcome:
        upload = opened.upload
        length = upload.length if sent.length is None else sent.length
        async with self._units.begin(upload.tenant) as unit:
            epoch = await unit.uploads.begin(
                upload.upload_id, upload.received, length, commitment=upload.commitment
            )
        if epoch is None:
            raise UploadInterrupted(
                "A newer request took the upload over.", retry_after=self._limits.retry_after_seconds
            )
        begun = replace(upload, epoch=epoch, length=length)
        intake = Intake(
            sent.body,
            limit=self._limits.max_body_bytes,
            before=upload.received,
            content_digest=sent.digest,
        )
        append = Append(intake, sent.complete, sent.acknowledge, sent.verifies, sent.complete_at)
        try:
            after = await self._appends.run(replace(opened, upload=begun), append, interruption)
        except CallwardError as error:
            if created and error.type in ("digest-mismatch", "checksum-mismatch"):
                await self._endings.end(begun, UploadState.failed, error.type)
            raise self._away(error) from error
        if after.state is not UploadState.completing:
            return Outcome(after)
        return await self._background.finish(self._seal(replace(opened, upload=after)))

    async def _seal(self, opened: OpenUpload) -> Outcome:
        try:
            answer = await self._completing.finish(opened.upload, opened)
        except CallwardError as error:
            raise not_sealed(error, self._limits.retry_after_seconds) from error
        whole = replace(opened.upload, state=UploadState.complete, answer=answer)
        return Outcome(whole, with_nonce(answer, opened.fingerprint_key))

    async def _append_to_whole(self, upload: Upload, sent: Bytes) -> Outcome:
        async for _ in _first(sent.body):
            raise InconsistentUploadLength("The upload is whole: nothing is appended any more.")
        if upload.state is UploadState.complete or not sent.complete:
            raise CompletedUpload(
                "The upload is complete.", extra={"recording": f"/v1/recordings/{upload.upload_id}"}
            )
        return await self._finished(upload)

    async def _again(self, known: Upload) -> Outcome:
        """Answers a creation that was sent before: where the upload is, or what became of it."""
        upload = await self._live(known)
        return await self._finished(upload) if upload.whole else Outcome(upload)

    async def _finished(self, upload: Upload) -> Outcome:
        """Seals an upload that is whole, unless it is sealed, and answers with the recording."""
        try:
            answer = await self._background.finish(self._completing.finish(upload))
        except CallwardError as error:
            raise not_sealed(error, self._limits.retry_after_seconds) from error
        key = await self._opening.fingerprint_key(upload)
        whole = replace(upload, state=UploadState.complete, answer=answer)
        return Outcome(whole, with_nonce(answer, key))

    async def _find(self, tenant: str, upload_id: str) -> Upload:
        async with self._units.begin(tenant) as unit:
            upload = await unit.uploads.find(upload_id)
        if upload is None or not upload.resumable:
            raise UploadNotFound("There is no such upload.")
        return upload

    async def _live(self, upload: Upload) -> Upload:
        """Returns an upload that has not ended otherwise than by being whole. Raises UploadEnded."""
        if upload.state is UploadState.receiving and self._clock.now() >= upload.expires_at:
            await self._endings.end(upload, UploadState.expired, "upload-expired")
            upload = replace(upload, state=UploadState.expired)
        if upload.state in GIVEN_UP:
            raise UploadEnded("The upload has ended.", extra={"state": upload.state.value})
        return upload

    def _away(self, error: CallwardError) -> CallwardError:
        """A neighbour or the store is away: what was acknowledged is kept, and the sender resumes."""
        replaced = retryable(error, self._limits.retry_after_seconds)
        if replaced is error:
            return error
        return UploadInterrupted(
            "Something that is needed is away. What was acknowledged is kept: resume the upload.",
            retry_after=replaced.retry_after,
        )


def mismatch(expected: int, provided: int) -> MismatchingUploadOffset:
    """Gives the error for an append at another offset than the upload's."""
    return MismatchingUploadOffset(
        f"The upload ends at {expected}.",
        extra={"expected-offset": expected, "provided-offset": provided},
    )


def _with_digest(opened: OpenUpload, digest: bytes | None) -> OpenUpload:
    """Returns the upload with what an append says of the whole: stated once, it does not change."""
    if digest is None:
        return opened
    known = opened.upload.commitment
    stated = commit_to_digest(opened.fingerprint_key.receipt_nonce(opened.upload.upload_id), digest)
    if known not in (None, stated):
        raise InvalidRequest(
            "Repr-Digest is another than the one stated before.", extra={"header": "Repr-Digest"}
        )
    return replace(opened, upload=replace(opened.upload, commitment=stated))


async def _first(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in body:
        if chunk:
            yield chunk
            return
