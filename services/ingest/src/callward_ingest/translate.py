"""Recordings, media and times as protobuf has them: in events, for neighbours and for the gateway."""

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.ingest.v1 import recording_pb2
from callward_common.events.actors import actor_to_proto
from callward_ingest.domain.marks import Mark
from callward_ingest.domain.recordings import Measured, Recording, RecordingState
from callward_ingest.domain.revisions import Revision

STATES = {
    recording_pb2.RECORDING_STATE_RECEIVING: RecordingState.receiving,
    recording_pb2.RECORDING_STATE_SEALED: RecordingState.sealed,
    recording_pb2.RECORDING_STATE_QUARANTINED: RecordingState.quarantined,
    recording_pb2.RECORDING_STATE_ABANDONED: RecordingState.abandoned,
}
_STATE_NUMBERS = {state: number for number, state in STATES.items()}


def to_timestamp(moment: datetime) -> Timestamp:
    """Gives a moment as protobuf has it."""
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return stamp


def from_timestamp(stamp: Timestamp) -> datetime:
    """Gives a moment in UTC."""
    return stamp.ToDatetime(UTC)


def media_message(media: Measured) -> recording_pb2.MediaFacts:
    """Gives the message of what was measured."""
    duration = Duration()
    duration.FromTimedelta(media.duration)
    return recording_pb2.MediaFacts(
        media_type=media.media_type,
        codec=media.codec,
        channels=media.channels,
        sample_rate=media.sample_rate,
        duration=duration,
        bytes_per_second=media.bytes_per_second,
        size=media.size,
        findings=media.findings,
        levels=[
            recording_pb2.ChannelLevel(
                rms_dbfs=level.rms_dbfs,
                peak_dbfs=level.peak_dbfs,
                silence=level.silence,
                clipped=level.clipped,
            )
            for level in media.levels
        ],
    )


def masked_messages(masked: Sequence[tuple[int, int]]) -> list[recording_pb2.MaskedRange]:
    """Gives the messages of what was silenced."""
    return [
        recording_pb2.MaskedRange(start_microseconds=start, end_microseconds=end) for start, end in masked
    ]


def mark_message(mark: Mark) -> recording_pb2.ControlMark:
    """Gives a control mark as its statement has it."""
    stated = mark.stated
    return recording_pb2.ControlMark(
        mark_id=mark.statement.mark_id,
        kind=stated.kind.value,
        leg_id=stated.leg_id or "",
        reason=stated.reason,
        at=to_timestamp(stated.at),
        until=None if stated.until is None else to_timestamp(stated.until),
        received_at=to_timestamp(mark.statement.received_at),
        statement_sha256=mark.signed.sha256,
    )


def summary_message(recording: Recording) -> recording_pb2.RecordingSummary:
    """Gives a recording as lists show it."""
    summary = recording_pb2.RecordingSummary(
        recording_id=recording.recording_id,
        call_id=recording.call_id,
        state=_STATE_NUMBERS[recording.state],
        reasons=recording.reasons,
        queue=recording.queue,
        call_started_at=to_timestamp(recording.call_started_at),
        retention_class=recording.retention_class or "",
        retention_citation=recording.retention_citation or "",
        masked=masked_messages(recording.masked),
        leg_id=recording.leg_id or "",
    )
    if recording.clock_started_at is not None:
        summary.clock_started_at.CopyFrom(to_timestamp(recording.clock_started_at))
    if recording.sealed_at is not None:
        summary.sealed_at.CopyFrom(to_timestamp(recording.sealed_at))
    if recording.retain_until is not None:
        summary.retain_until.CopyFrom(to_timestamp(recording.retain_until))
    if recording.media is not None:
        summary.media.CopyFrom(media_message(recording.media))
    return summary


def revision_message(revision: Revision) -> recording_pb2.SealedRevision:
    """Gives a revision of a call's metadata with its sealed document."""
    entry, document = revision.entry, revision.document
    sealed = recording_pb2.SealedDocument(subject_id=entry.revision_id, ciphertext=document.ciphertext)
    return recording_pb2.SealedRevision(
        document=sealed,
        number=entry.number,
        revised_at=to_timestamp(entry.revised_at),
        actor=actor_to_proto(entry.actor),
        changed=entry.changed,
    )
