"""Opening an upload: a lawful basis, a plan, a row and a key, before the first byte is asked for."""

import secrets
from datetime import datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError, Category
from callward_common.ids import new_id
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.upload import NewUpload, OpenUpload
from callward_ingest.domain.calls import Call
from callward_ingest.domain.decisions import Decision
from callward_ingest.domain.errors import ConsentRequired, IdempotencyKeyInUse, LegNotFound
from callward_ingest.domain.events import RecordingRefused
from callward_ingest.domain.fingerprints import FingerprintKey, commit_to_digest
from callward_ingest.domain.policy import demand_not_before, demand_not_future
from callward_ingest.domain.recordings import Attempt
from callward_ingest.domain.uploads import Upload
from callward_ingest.ports import Consent, Keys, Planner, Units


class Opening:
    """The first steps of an upload. Whoever calls them gives the upload up when a later step fails."""

    def __init__(
        self,
        *,
        units: Units,
        consent: Consent,
        planner: Planner,
        keys: Keys,
        fingerprints: Fingerprints,
        clock: Clock,
        lifetime: timedelta,
        skew: timedelta,
    ) -> None:
        """`lifetime`: how long an upload may take; less than key-management keeps a key open. `skew`: of clocks."""
        self._units, self._consent, self._planner, self._keys = units, consent, planner, keys
        self._fingerprints, self._clock, self._lifetime, self._skew = fingerprints, clock, lifetime, skew

    async def register(
        self, wanted: NewUpload, call: Call, upload_id: str, due_at: datetime | None
    ) -> Upload:
        """Demands a lawful basis, plans retention and puts the upload on record. Raises ConsentRequired.

        `due_at`: when the sweeper looks at it; None: when it expires.
        """
        decision = await self._consent.may_record(wanted.tenant, call.call_id)
        if not decision.permitted:
            await self._refuse(wanted, decision)
        upload = await self._planned(wanted, call, upload_id)
        async with self._units.begin(wanted.tenant) as unit:
            await unit.attempts.start(_attempt(upload))
            if not await unit.uploads.add(upload, due_at or upload.expires_at):
                raise IdempotencyKeyInUse(
                    "A request with this Idempotency-Key is under way.", retry_after=1.0
                )
        return upload

    async def _planned(self, wanted: NewUpload, call: Call, upload_id: str) -> Upload:
        now = self._clock.now()
        started_at = await self._clock_start(wanted, call, now)
        plan = await self._planner.plan(wanted.tenant, call.call_id, call.clock_start(now), call.age_group)
        today = await self._fingerprints.today(wanted.tenant)
        return Upload(
            upload_id=upload_id,
            tenant=wanted.tenant,
            actor=wanted.actor,
            call_id=call.call_id,
            queue=call.queue,
            object_key=new_object_key(),
            resumable=wanted.resumable,
            media_type=wanted.media_type,
            plan=plan,
            commitment=_commitment(today, upload_id, wanted.stated.representation),
            fingerprint_day=today.day,
            created_at=now,
            expires_at=now + self._lifetime,
            idempotency_key=wanted.key,
            length=wanted.length,
            leg_id=wanted.leg,
            clock_started_at=started_at,
            secret=secrets.token_bytes(32),
        )

    async def issue(self, upload: Upload) -> OpenUpload:
        """Gets the upload's key, for the first time."""
        data_key = await self._keys.issue(upload.subject, upload.plan)
        return OpenUpload(upload, data_key, await self.fingerprint_key(upload))

    async def reopen(self, upload: Upload) -> OpenUpload:
        """Gets the upload's key again, to go on or to seal. A key that was never issued is issued."""
        try:
            data_key = await self._keys.reissue(upload.subject)
            return OpenUpload(upload, data_key, await self.fingerprint_key(upload))
        except CallwardError as error:
            if error.category is not Category.not_found:
                raise
        return await self.issue(upload)

    async def fingerprint_key(self, upload: Upload) -> FingerprintKey:
        """Returns the key that makes the nonce of the upload's receipt."""
        return await self._fingerprints.of_day(upload.tenant, upload.fingerprint_day)

    async def _clock_start(self, wanted: NewUpload, call: Call, now: datetime) -> datetime | None:
        """Returns when the recording's own clock began: as stated, else with its leg. Raises LegNotFound."""
        if wanted.started_at is not None:
            demand_not_future(wanted.started_at, now, self._skew, "startedAt")
            demand_not_before(wanted.started_at, call.started_at - self._skew, "startedAt")
        if wanted.leg is None:
            return wanted.started_at
        async with self._units.begin(wanted.tenant) as unit:
            leg = await unit.legs.find(call.call_id, wanted.leg)
        if leg is None:
            raise LegNotFound("The call has no such leg.")
        return wanted.started_at or leg.started_at

    async def _refuse(self, wanted: NewUpload, decision: Decision) -> None:
        async with self._units.begin(wanted.tenant) as unit:
            unit.record(
                RecordingRefused(wanted.actor, wanted.call_id, decision.decision_id, decision.reasons)
            )
        raise ConsentRequired(
            "The call may not be recorded on the evidence and policy on record.", extra=decision.as_json()
        )


def _commitment(key: FingerprintKey, upload_id: str, digest: bytes | None) -> bytes | None:
    return None if digest is None else commit_to_digest(key.receipt_nonce(upload_id), digest)


def new_object_key() -> str:
    """Returns a key for an object: random, so that it says nothing about tenant, person or time.

    New with every attempt, so that an abandoned attempt's object can never stand in for the real one.
    """
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name}"


def new_upload_id() -> str:
    """Returns the id of an upload, which is the id of the recording that it becomes."""
    return new_id()


def _attempt(upload: Upload) -> Attempt:
    return Attempt(
        recording_id=upload.upload_id,
        call_id=upload.call_id,
        queue=upload.queue,
        object_key=upload.object_key,
        started_at=upload.created_at,
        leg_id=upload.leg_id,
        clock_started_at=upload.clock_started_at,
    )
