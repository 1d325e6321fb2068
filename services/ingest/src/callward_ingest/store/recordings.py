"""Recordings and their manifests in PostgreSQL."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_ingest.domain.keys import Receipt
from callward_ingest.domain.media import ChannelLevel
from callward_ingest.domain.recordings import (
    Attempt,
    Measured,
    Page,
    Recording,
    RecordingFilter,
    RecordingState,
    Sealing,
)
from callward_ingest.store.tables import CALLS, MANIFESTS, RECORDINGS

_COLUMNS = (
    RECORDINGS.c.recording_id,
    RECORDINGS.c.call_id,
    RECORDINGS.c.queue,
    RECORDINGS.c.state,
    RECORDINGS.c.reasons,
    RECORDINGS.c.object_key,
    RECORDINGS.c.key_id,
    RECORDINGS.c.receipt,
    RECORDINGS.c.receipt_sha256,
    RECORDINGS.c.sealed_at,
    RECORDINGS.c.retention_class,
    RECORDINGS.c.retain_until,
    RECORDINGS.c.retention_citation,
    RECORDINGS.c.media_type,
    RECORDINGS.c.codec,
    RECORDINGS.c.channels,
    RECORDINGS.c.sample_rate,
    RECORDINGS.c.duration_microseconds,
    RECORDINGS.c.bytes_per_second,
    RECORDINGS.c.size_bytes,
    RECORDINGS.c.findings,
    RECORDINGS.c.rms_dbfs,
    RECORDINGS.c.peak_dbfs,
    RECORDINGS.c.silence,
    RECORDINGS.c.clipped,
    RECORDINGS.c.leg_id,
    RECORDINGS.c.clock_started_at,
    RECORDINGS.c.masked,
    CALLS.c.started_at.label("call_started_at"),
)
_WITH_CALL = RECORDINGS.join(
    CALLS, sa.and_(CALLS.c.tenant_id == RECORDINGS.c.tenant_id, CALLS.c.call_id == RECORDINGS.c.call_id)
)


class DatabaseAttempts:
    """The attempts of one tenant to receive a recording, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def start(self, attempt: Attempt) -> None:
        """Puts an attempt on record as `receiving`."""
        await self._connection.execute(
            sa.insert(RECORDINGS).values(
                tenant_id=self._tenant,
                recording_id=attempt.recording_id,
                call_id=attempt.call_id,
                queue=attempt.queue,
                state=RecordingState.receiving.value,
                reasons=[],
                object_key=attempt.object_key,
                started_at=attempt.started_at,
                leg_id=attempt.leg_id,
                clock_started_at=attempt.clock_started_at,
            )
        )

    async def seal(self, sealing: Sealing) -> bool:
        """Moves an attempt from `receiving` to its end with all its facts; False when it is no longer receiving."""
        change = (
            sa.update(RECORDINGS)
            .where(*self._receiving(sealing.recording_id))
            .values(**_sealed_values(sealing), **_media_values(sealing.media))
            .returning(RECORDINGS.c.recording_id)
        )
        if (await self._connection.execute(change)).first() is None:
            return False
        await self._connection.execute(
            sa.insert(MANIFESTS).values(
                tenant_id=self._tenant,
                recording_id=sealing.recording_id,
                version=1,
                manifest=sealing.manifest,
                sha256=sealing.manifest_sha256,
                object_key=sealing.sidecar_key,
                object_version=sealing.sidecar_version,
            )
        )
        return True

    async def abandon(self, recording_id: str) -> bool:
        """Moves an attempt from `receiving` to `abandoned`; False when it is no longer receiving."""
        change = (
            sa.update(RECORDINGS)
            .where(*self._receiving(recording_id))
            .values(state=RecordingState.abandoned.value)
            .returning(RECORDINGS.c.recording_id)
        )
        return (await self._connection.execute(change)).first() is not None

    def _receiving(self, recording_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            RECORDINGS.c.tenant_id == self._tenant,
            RECORDINGS.c.recording_id == recording_id,
            RECORDINGS.c.state == RecordingState.receiving.value,
        )


class DatabaseRecordings:
    """The recordings of one tenant, to read, within one transaction."""

    def __init__(self, connection: AsyncConnection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find(self, recording_id: str) -> tuple[Recording, bytes | None] | None:
        """Returns a recording with its newest manifest's exact bytes (None while there is none)."""
        query = sa.select(*_COLUMNS).select_from(_WITH_CALL).where(*self._one(recording_id))
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        newest = (
            sa.select(MANIFESTS.c.manifest)
            .where(MANIFESTS.c.tenant_id == self._tenant, MANIFESTS.c.recording_id == recording_id)
            .order_by(MANIFESTS.c.version.desc())
            .limit(1)
        )
        manifest = (await self._connection.execute(newest)).scalar_one_or_none()
        return _recording(row), None if manifest is None else bytes(manifest)

    async def media(self, recording_id: str, known: bytes) -> tuple[Recording, bytes, bytes | None] | None:
        """Returns a recording with its newest manifest's hash, and its exact bytes unless the hash is `known`.

        None while there is no manifest. One query; a manifest that is known is not even read.
        """
        held = sa.and_(
            MANIFESTS.c.tenant_id == RECORDINGS.c.tenant_id,
            MANIFESTS.c.recording_id == RECORDINGS.c.recording_id,
        )
        unknown = sa.case((MANIFESTS.c.sha256 != known, MANIFESTS.c.manifest)).label("manifest")
        query = (
            sa.select(*_COLUMNS, MANIFESTS.c.sha256, unknown)
            .select_from(_WITH_CALL.join(MANIFESTS, held))
            .where(*self._one(recording_id))
            .order_by(MANIFESTS.c.version.desc())
            .limit(1)
        )
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        return _recording(row), bytes(row.sha256), None if row.manifest is None else bytes(row.manifest)

    async def page(self, wanted: RecordingFilter) -> Page:
        """Returns a page of recordings, newest first: ids are UUIDv7, so their order is the order of arrival."""
        query = (
            sa.select(*_COLUMNS)
            .select_from(_WITH_CALL)
            .where(
                RECORDINGS.c.tenant_id == self._tenant,
                RECORDINGS.c.state.in_([state.value for state in wanted.states]),
            )
            .order_by(RECORDINGS.c.recording_id.desc())
            .limit(wanted.limit + 1)
        )
        if wanted.queue is not None:
            query = query.where(RECORDINGS.c.queue == wanted.queue)
        if wanted.call_id is not None:
            query = query.where(RECORDINGS.c.call_id == wanted.call_id)
        if wanted.before is not None:
            query = query.where(RECORDINGS.c.recording_id < wanted.before)
        rows = (await self._connection.execute(query)).all()
        return Page(tuple(_recording(row) for row in rows[: wanted.limit]), more=len(rows) > wanted.limit)

    def _one(self, recording_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (RECORDINGS.c.tenant_id == self._tenant, RECORDINGS.c.recording_id == recording_id)


def _sealed_values(sealing: Sealing) -> dict[str, object]:
    return {
        "state": sealing.state.value,
        "reasons": list(sealing.reasons),
        "key_id": sealing.key_id,
        "manifest_sha256": sealing.manifest_sha256,
        "receipt": sealing.receipt.jws,
        "receipt_sha256": sealing.receipt.sha256,
        "event_id": sealing.event_id,
        "decision_id": sealing.decision_id,
        "sealed_at": sealing.sealed_at,
        "retention_class": sealing.retention_class,
        "retain_until": sealing.retain_until,
        "delete_after": sealing.delete_after,
        "retention_citation": sealing.retention_citation,
        "masked": [list(pair) for pair in sealing.masked],
    }


def _media_values(media: Measured) -> dict[str, object]:
    return {
        "media_type": media.media_type,
        "codec": media.codec,
        "channels": media.channels,
        "sample_rate": media.sample_rate,
        "duration_microseconds": media.duration // timedelta(microseconds=1),
        "bytes_per_second": media.bytes_per_second,
        "size_bytes": media.size,
        "findings": list(media.findings),
        "rms_dbfs": [level.rms_dbfs for level in media.levels],
        "peak_dbfs": [level.peak_dbfs for level in media.levels],
        "silence": [level.silence for level in media.levels],
        "clipped": [level.clipped for level in media.levels],
    }


def _recording(row: sa.Row[*tuple[Any, ...]]) -> Recording:
    kept = row.receipt is not None
    return Recording(
        recording_id=row.recording_id,
        call_id=row.call_id,
        queue=row.queue,
        call_started_at=row.call_started_at,
        state=RecordingState(row.state),
        reasons=tuple(row.reasons),
        object_key=row.object_key,
        key_id=row.key_id,
        sealed_at=row.sealed_at,
        retain_until=row.retain_until,
        retention_class=row.retention_class,
        retention_citation=row.retention_citation,
        receipt=Receipt(row.receipt, bytes(row.receipt_sha256)) if kept else None,
        media=_media(row) if kept else None,
        leg_id=row.leg_id,
        clock_started_at=row.clock_started_at,
        masked=tuple((start, end) for start, end in row.masked or ()),
    )


def _media(row: sa.Row[*tuple[Any, ...]]) -> Measured:
    return Measured(
        media_type=row.media_type,
        codec=row.codec,
        channels=row.channels,
        sample_rate=row.sample_rate,
        duration=timedelta(microseconds=row.duration_microseconds),
        bytes_per_second=row.bytes_per_second,
        size=row.size_bytes,
        findings=tuple(row.findings),
        levels=_levels(row),
    )


def _levels(row: sa.Row[*tuple[Any, ...]]) -> tuple[ChannelLevel, ...]:
    # Recordings from before levels were measured have none.
    columns = (row.rms_dbfs, row.peak_dbfs, row.silence, row.clipped)
    if any(column is None for column in columns):
        return ()
    return tuple(ChannelLevel(*values) for values in zip(*columns, strict=True))
