"""Fakes of the rows of recordings and of Idempotency-Keys."""

from dataclasses import replace
from datetime import datetime

from callward_ingest.domain.idempotency import Claim, Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.domain.recordings import (
    Attempt,
    Page,
    Recording,
    RecordingFilter,
    RecordingState,
    Sealing,
)
from tests.unit.ingest.fakes_media import NoMasks as NoMasks
from tests.unit.ingest.fakes_media import WavOnly as WavOnly
from tests.unit.ingest.fakes_media import wav_only as wav_only
from tests.unit.ingest.fakes_rows import Held as Held
from tests.unit.ingest.fakes_rows import Rows as Rows


class MemoryAttempts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def start(self, attempt: Attempt) -> None:
        self._rows.recordings[attempt.recording_id] = Recording(
            recording_id=attempt.recording_id,
            call_id=attempt.call_id,
            queue=attempt.queue,
            call_started_at=self._rows.calls[attempt.call_id].started_at,
            state=RecordingState.receiving,
            reasons=(),
            object_key=attempt.object_key,
        )

    async def seal(self, sealing: Sealing) -> bool:
        found = self._rows.recordings[sealing.recording_id]
        if found.state is not RecordingState.receiving:
            return False
        self._rows.manifests[sealing.recording_id] = sealing.manifest
        self._rows.recordings[sealing.recording_id] = replace(
            found,
            state=sealing.state,
            reasons=sealing.reasons,
            key_id=sealing.key_id,
            sealed_at=sealing.sealed_at,
            retain_until=sealing.retain_until,
            retention_class=sealing.retention_class,
            retention_citation=sealing.retention_citation,
            receipt=sealing.receipt,
            media=sealing.media,
        )
        return True

    async def abandon(self, recording_id: str) -> bool:
        found = self._rows.recordings[recording_id]
        if found.state is not RecordingState.receiving:
            return False
        self._rows.recordings[recording_id] = replace(found, state=RecordingState.abandoned)
        return True


class MemoryRecordings:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def find(self, recording_id: str) -> tuple[Recording, bytes | None] | None:
        found = self._rows.recordings.get(recording_id)
        return None if found is None else (found, self._rows.manifests.get(recording_id))

    async def page(self, wanted: RecordingFilter) -> Page:
        found = [
            item
            for _, item in sorted(self._rows.recordings.items(), reverse=True)
            if item.state in wanted.states and wanted.call_id in (None, item.call_id)
        ]
        return Page(tuple(found[: wanted.limit]), len(found) > wanted.limit)


class MemoryIdempotency:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def claim(self, key: str, claimant: Claimant, now: datetime) -> Claim:
        held = self._rows.keys.get(key)
        if held is not None and held.answer is not None:
            return Claim(ClaimOutcome.done, answer=held.answer)
        if held is not None and held.claimant.held_until > now:
            return Claim(ClaimOutcome.in_use, owner=held.claimant.owner)
        self._rows.keys[key] = Held(claimant)
        return Claim(ClaimOutcome.claimed)

    async def renew(self, key: str, claimant: Claimant) -> bool:
        if not self._mine(key, claimant.owner):
            return False
        self._rows.keys[key] = Held(claimant)
        return True

    async def complete(self, key: str, owner: str, answer: StoredAnswer) -> bool:
        if not self._mine(key, owner):
            return False
        self._rows.keys[key].answer = answer
        return True

    async def release(self, key: str, owner: str) -> None:
        if self._mine(key, owner):
            del self._rows.keys[key]

    def _mine(self, key: str, owner: str) -> bool:
        held = self._rows.keys.get(key)
        return held is not None and held.answer is None and held.claimant.owner == owner
