"""Plain uploads: one body in one request, whole and on record with a receipt, or nothing of it remains."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from datetime import timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError, JsonValue
from callward_ingest.app.appends import Append
from callward_ingest.app.background import Background
from callward_ingest.app.feed import Interruption
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.intake import Intake
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Answer, key_in_use, key_reused
from callward_ingest.app.opening import new_upload_id
from callward_ingest.app.upload import OPERATION, NewUpload, OpenUpload, not_sealed, retryable, with_nonce
from callward_ingest.app.upload_core import UploadCore
from callward_ingest.domain.calls import Call
from callward_ingest.domain.errors import CallNotFound, IdempotencyKeyRequired, UploadFailed
from callward_ingest.domain.fingerprints import same_fingerprint
from callward_ingest.domain.idempotency import Claim, Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.domain.uploads import Upload, UploadState
from callward_ingest.ports import Units

_UNTIL_REGISTERED = timedelta(seconds=20)


class Uploads:
    """Receives recordings in one request each, once per Idempotency-Key."""

    def __init__(
        self,
        *,
        core: UploadCore,
        units: Units,
        fingerprints: Fingerprints,
        background: Background,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._units, self._opening, self._appends = units, core.opening, core.appends
        self._completing, self._endings = core.completing, core.endings
        self._quotas, self._running = core.quotas, core.running
        self._fingerprints, self._background = fingerprints, background
        self._clock, self._limits = clock, limits

    async def receive(self, wanted: NewUpload, body: AsyncIterable[bytes]) -> Answer:
        """Takes one recording in and answers with its receipt, or gives the stored answer of the same request.

        The body's first byte is asked for only after consent permits. Raises ConsentRequired, CallNotFound,
        IdempotencyKeyReused, IdempotencyKeyInUse, BodyTooLarge, DigestMismatch, whatever `body` raises, UploadsBusy,
        and UploadFailed when a neighbour is away: nothing is kept then, and the same request may be sent again.
        """
        if wanted.key is None:
            raise IdempotencyKeyRequired(
                "An upload needs an Idempotency-Key, so that a retry makes no second recording."
            )
        upload_id = new_upload_id()
        async with (
            self._running.place(wanted.tenant),
            self._running.alone(upload_id, whole=True) as interruption,
        ):
            call, claim = await self._claim(wanted, wanted.key, upload_id)
            if claim.answer is not None:
                return await self._replay(wanted, claim.answer, body)
            return await self._receive(wanted, wanted.key, upload_id, call, body, interruption)

    async def _receive(
        self,
        wanted: NewUpload,
        key: str,
        upload_id: str,
        call: Call,
        body: AsyncIterable[bytes],
        interruption: Interruption,
    ) -> Answer:
        upload: Upload | None = None
        try:
            await self._quotas.demand_room(wanted.tenant)
            due_at = self._clock.now() + self._limits.claim_hold
            upload = await self._opening.register(wanted, call, upload_id, due_at)
            await self._hold(wanted.tenant, key, upload_id)
            opened = await self._begun(await self._opening.issue(upload))
            whole = await self._take(wanted, key, opened, body, interruption)
        except BaseException as error:
            await self._background.finish(self._give_up(wanted, key, upload_id, upload, error))
            if isinstance(error, CallwardError):
                raise retryable(error, self._limits.retry_after_seconds) from error
            raise
        return await self._background.finish(self._complete(replace(opened, upload=whole)))

    async def _claim(self, wanted: NewUpload, key: str, upload_id: str) -> tuple[Call, Claim]:
        for _ in range(2):
            async with self._units.begin(wanted.tenant) as unit:
                call = await unit.calls.find(wanted.call_id)
                if call is None:
                    raise CallNotFound("There is no such call.")
                # Shortly at first: until the upload is on record, nobody could tell that its process is dead.
                claimant = Claimant(upload_id, self._clock.now() + _UNTIL_REGISTERED)
                claim = await unit.idempotency.claim(key, claimant, self._clock.now())
                whole = None
                if claim.outcome is ClaimOutcome.in_use and claim.owner is not None:
                    whole = await unit.uploads.find(claim.owner)
            if claim.outcome is not ClaimOutcome.in_use:
                return call, claim
            if whole is None or whole.state is not UploadState.completing:
                break
            if self._running.runs(whole.upload_id):
                break
            # An earlier request brought every byte in and could not be sealed: this one finishes it.
            async with self._running.alone(whole.upload_id, whole=True):
                await self._seal(whole)
        raise key_in_use(self._limits)

    async def _hold(self, tenant: str, key: str, upload_id: str) -> None:
        async with self._units.begin(tenant) as unit:
            if not await unit.idempotency.renew(key, self._claimant(upload_id)):
                raise key_in_use(self._limits)

    def _claimant(self, upload_id: str) -> Claimant:
        return Claimant(upload_id, self._clock.now() + self._limits.claim_hold)

    async def _begun(self, opened: OpenUpload) -> OpenUpload:
        upload = opened.upload
        async with self._units.begin(upload.tenant) as unit:
            epoch = await unit.uploads.begin(upload.upload_id, 0, upload.length)
        if epoch is None:
            raise UploadFailed("The upload has ended.", retry_after=self._limits.retry_after_seconds)
        return replace(opened, upload=replace(upload, epoch=epoch))

    async def _take(
        self,
        wanted: NewUpload,
        key: str,
        opened: OpenUpload,
        body: AsyncIterable[bytes],
        interruption: Interruption,
    ) -> Upload:
        intake = Intake(
            self._held(wanted.tenant, key, opened.upload.upload_id, body),
            limit=self._limits.max_body_bytes,
            fingerprint=opened.fingerprint_key.start(OPERATION, wanted.call_id),
            content_digest=wanted.stated.content,
        )
        append = Append(intake, complete=True, acknowledge=_nothing, whole=True)
        return await self._appends.run(opened, append, interruption)

    async def _held(
        self, tenant: str, key: str, upload_id: str, body: AsyncIterable[bytes]
    ) -> AsyncIterator[bytes]:
        """Prolongs the hold on the key, and the sweeper's patience, while the body comes in."""
        renewed_at = self._clock.monotonic()
        async for chunk in body:
            yield chunk
            if self._clock.monotonic() - renewed_at < self._limits.claim_renew_seconds:
                continue
            renewed_at = self._clock.monotonic()
            claimant = self._claimant(upload_id)
            async with self._units.begin(tenant) as unit:
                if not await unit.idempotency.renew(key, claimant):
                    raise key_in_use(self._limits)
                await unit.uploads.due(upload_id, claimant.held_until)

    async def _replay(self, wanted: NewUpload, stored: StoredAnswer, body: AsyncIterable[bytes]) -> Answer:
        key = await self._fingerprints.of_day(wanted.tenant, stored.fingerprint_day)
        mac = key.start(OPERATION, wanted.call_id)
        intake = Intake(
            body,
            limit=self._limits.max_body_bytes,
            fingerprint=mac,
            content_digest=wanted.stated.content or wanted.stated.representation,
        )
        async for _ in intake.chunks():
            pass
        if not same_fingerprint(mac.digest(), stored.fingerprint):
            raise key_reused()
        return Answer(with_nonce(stored.body, key), replayed=True)

    async def _complete(self, opened: OpenUpload) -> Answer:
        body = await self._seal(opened.upload, opened)
        return Answer(with_nonce(body, opened.fingerprint_key))

    async def _seal(self, upload: Upload, opened: OpenUpload | None = None) -> dict[str, JsonValue]:
        try:
            return await self._completing.finish(upload, opened)
        except CallwardError as error:
            raise not_sealed(error, self._limits.retry_after_seconds) from error

    async def _give_up(
        self, wanted: NewUpload, key: str, upload_id: str, upload: Upload | None, error: BaseException
    ) -> None:
        if upload is not None:
            await self._endings.end(upload, UploadState.failed, _reason(error))
            return
        await self._endings.forget(wanted.tenant, key, upload_id, _reason(error))


async def _nothing(_: int) -> None:
    """A plain upload is acknowledged by its receipt alone."""


def _reason(error: BaseException) -> str:
    if isinstance(error, CallwardError):
        return error.type
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "internal-error"
