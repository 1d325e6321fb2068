"""Taking recordings in, once per Idempotency-Key."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager

from callward_common.clock import Clock
from callward_common.errors import CallwardError, JsonValue
from callward_common.ids import new_id
from callward_ingest.app.answers import base64url, sealing_json
from callward_ingest.app.attempts import Attempts
from callward_ingest.app.background import Background
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.giving_up import GivingUp
from callward_ingest.app.intake import Intake
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Answer, key_in_use, key_reused
from callward_ingest.app.upload import OPERATION, Opened, Progress, Streamed, Upload, retryable, with_nonce
from callward_ingest.domain.calls import Call
from callward_ingest.domain.decisions import Decision
from callward_ingest.domain.errors import CallNotFound, UploadFailed, UploadsBusy
from callward_ingest.domain.events import RecordingQuarantined, RecordingSealed, UploadAbandoned
from callward_ingest.domain.fingerprints import FingerprintKey, same_fingerprint
from callward_ingest.domain.idempotency import Claim, Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.domain.recordings import RecordingState, Sealing
from callward_ingest.ports import Units


class Uploads:
    """Receives recordings: whole and on record with a receipt, or nothing of them remains."""

    def __init__(
        self,
        *,
        units: Units,
        attempts: Attempts,
        giving_up: GivingUp,
        fingerprints: Fingerprints,
        background: Background,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._units = units
        self._attempts = attempts
        self._giving_up = giving_up
        self._fingerprints = fingerprints
        self._background = background
        self._clock = clock
        self._limits = limits
        self._under_way = 0

    async def receive(self, upload: Upload, body: AsyncIterable[bytes]) -> Answer:
        """Takes one recording in and answers with its receipt, or gives the stored answer of the same request.

        The body's first byte is asked for only after consent permits. Raises ConsentRequired, CallNotFound,
        IdempotencyKeyReused, IdempotencyKeyInUse, BodyTooLarge, DigestMismatch, whatever `body` raises, UploadsBusy,
        and UploadFailed when a neighbour is away: nothing is kept then, and the same request may be sent again.
        """
        with self._place():
            progress = Progress(upload, new_id())
            call, claim, lost = await self._claim(progress)
            if claim.answer is not None:
                return await self._replay(upload, claim.answer, body)
            try:
                for object_key in lost:
                    await self._giving_up.remove_objects(object_key)
                opened, streamed = await self._take(progress, call, body)
            except BaseException as error:
                await self._background.finish(self._giving_up.give_up(progress, _reason(error)))
                if isinstance(error, CallwardError):
                    raise retryable(error, self._limits.retry_after_seconds) from error
                raise
            return await self._background.finish(self._complete(progress, opened, streamed))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._under_way >= self._limits.max_parallel_uploads:
            raise UploadsBusy(
                "As many uploads are under way here as may be.", retry_after=self._limits.retry_after_seconds
            )
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _claim(self, progress: Progress) -> tuple[Call, Claim, list[str]]:
        """Takes the key. Returns the object keys of attempts of this tenant that were lost, now marked abandoned."""
        upload, now, lost = progress.upload, self._clock.now(), list[str]()
        async with self._units.begin(upload.tenant) as unit:
            call = await unit.calls.find(upload.call_id)
            if call is None:
                raise CallNotFound("There is no such call.")
            claim = await unit.idempotency.claim(upload.key, self._claimant(progress), now)
            if claim.outcome is ClaimOutcome.in_use:
                raise key_in_use(self._limits)
            if claim.outcome is ClaimOutcome.claimed:
                for found in await unit.attempts.lost(now):
                    if await unit.attempts.abandon(found.recording_id):
                        unit.record(
                            UploadAbandoned(upload.actor, found.recording_id, found.call_id, "attempt-lost")
                        )
                        lost.append(found.object_key)
        return call, claim, lost

    def _claimant(self, progress: Progress) -> Claimant:
        return Claimant(progress.recording_id, self._clock.now() + self._limits.claim_hold)

    async def _take(
        self, progress: Progress, call: Call, body: AsyncIterable[bytes]
    ) -> tuple[Opened, Streamed]:
        today = await self._fingerprints.today(progress.upload.tenant)
        opened = await self._attempts.open(progress, call, today)
        intake = self._intake(progress.upload, today, body)
        return opened, await self._attempts.stream(opened, intake, self._keeper(progress))

    def _intake(self, upload: Upload, key: FingerprintKey, body: AsyncIterable[bytes]) -> Intake:
        fingerprint = key.start(OPERATION, upload.call_id)
        return Intake(body, limit=self._limits.max_body_bytes, fingerprint=fingerprint, stated=upload.stated)

    def _keeper(self, progress: Progress) -> Callable[[], Awaitable[None]]:
        """Gives what prolongs the hold on the key while the body comes in, at most once a minute."""
        renewed_at = self._clock.monotonic()

        async def keep() -> None:
            nonlocal renewed_at
            if self._clock.monotonic() - renewed_at < self._limits.claim_renew_seconds:
                return
            renewed_at = self._clock.monotonic()
            async with self._units.begin(progress.upload.tenant) as unit:
                if not await unit.idempotency.renew(progress.upload.key, self._claimant(progress)):
                    raise key_in_use(self._limits)

        return keep

    async def _replay(self, upload: Upload, stored: StoredAnswer, body: AsyncIterable[bytes]) -> Answer:
        key = await self._fingerprints.of_day(upload.tenant, stored.fingerprint_day)
        intake = self._intake(upload, key, body)
        async for _ in intake.chunks():
            pass
        if not same_fingerprint(intake.fingerprint, stored.fingerprint):
            raise key_reused()
        return Answer(with_nonce(stored.body, key), replayed=True)

    async def _complete(self, progress: Progress, opened: Opened, streamed: Streamed) -> Answer:
        body: dict[str, JsonValue] | None = None
        try:
            sealing, decision, commitment = await self._attempts.seal(opened, streamed)
            body = sealing_json(sealing, decision, opened.plan)
            if commitment:
                body["senderCommitment"] = base64url(commitment)
            await self._put_on_record(opened, streamed, sealing, decision, body)
        except (Exception, asyncio.CancelledError) as error:
            state = await self._giving_up.give_up(progress, _reason(error))
            if body is None or state not in (RecordingState.sealed, RecordingState.quarantined):
                raise self._failure(error) from error
        return Answer(with_nonce(body, opened.fingerprint_key))

    def _failure(self, error: BaseException) -> BaseException:
        if isinstance(error, CallwardError):
            return retryable(error, self._limits.retry_after_seconds)
        return error

    async def _put_on_record(
        self,
        opened: Opened,
        streamed: Streamed,
        sealing: Sealing,
        decision: Decision,
        body: dict[str, JsonValue],
    ) -> None:
        upload = opened.upload
        answer = StoredAnswer(streamed.fingerprint, opened.fingerprint_key.day, body)
        async with self._units.begin(upload.tenant) as unit:
            sealed = await unit.attempts.seal(sealing)
            if not sealed or not await unit.idempotency.complete(upload.key, sealing.recording_id, answer):
                raise UploadFailed(
                    "Another request took this Idempotency-Key over.",
                    retry_after=self._limits.retry_after_seconds,
                )
            unit.record(_event(opened, sealing), event_id=sealing.event_id)


def _event(opened: Opened, sealing: Sealing) -> RecordingSealed | RecordingQuarantined:
    if sealing.state is RecordingState.quarantined:
        return RecordingQuarantined(
            actor=opened.upload.actor,
            recording_id=sealing.recording_id,
            call_id=sealing.call_id,
            key_id=sealing.key_id,
            manifest_sha256=sealing.manifest_sha256,
            receipt_sha256=sealing.receipt.sha256,
            reasons=sealing.reasons,
            media=sealing.media,
        )
    return RecordingSealed(
        actor=opened.upload.actor,
        recording_id=sealing.recording_id,
        call_id=sealing.call_id,
        key_id=sealing.key_id,
        manifest_sha256=sealing.manifest_sha256,
        receipt_sha256=sealing.receipt.sha256,
        decision_id=sealing.decision_id,
        retain_until=sealing.retain_until,
        media=sealing.media,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, CallwardError):
        return error.type
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "internal-error"
