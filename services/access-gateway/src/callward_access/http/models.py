"""Bodies and answers of the door for people."""

from typing import Any

from pydantic import Field

from callward_access.domain.history import SealedRevision
from callward_access.domain.model import ListeningSession, Recording, Summary
from callward_common.http.model import Code, StrictModel, Timestamp


class PurposeBody(StrictModel):
    """States the purpose of an act."""

    purpose: Code | None = Field(
        default=None, description="The purpose of use: a code of HL7 v3 ActReason, for example HOPERAT."
    )


class LevelView(StrictModel):
    """How loud one channel is: dBFS, share of time that is silent (0 to 1), samples at the limit of the coding."""

    rms_dbfs: float
    peak_dbfs: float
    silence: float
    clipped: int


class MaskedRangeView(StrictModel):
    """What is silence instead of what was said: microseconds of the recording, the end excluded."""

    start_microseconds: int
    end_microseconds: int


class MediaView(StrictModel):
    """What was measured of the media; one level per channel."""

    media_type: str
    codec: str
    channels: int
    sample_rate: int
    duration_seconds: float
    bytes_per_second: int
    size: int
    levels: list[LevelView]
    masked_ranges: list[MaskedRangeView]


class RetentionView(StrictModel):
    """How long the recording is kept at least, and by which rule."""

    retention_class: str
    retain_until: Timestamp
    citation: str


class RecordingView(StrictModel):
    """A recording as lists show it: no identifying field."""

    recording_id: str
    call_id: str
    state: str
    queue: str
    call_started_at: Timestamp
    sealed_at: Timestamp
    media: MediaView
    retention: RetentionView


class RecordingPage(StrictModel):
    """A page of recordings."""

    recordings: list[RecordingView]
    next_cursor: str | None = Field(description="Where the next page starts; null at the end.")


class ActorView(StrictModel):
    """Who did something: a client's id as its issuer knows it."""

    kind: str
    id: str
    issuer: str


class RevisionView(StrictModel):
    """What was changed of a call's metadata, when and by which client."""

    revision: int
    revised_at: Timestamp
    by: ActorView
    changed: list[str]


class RecordingDetails(StrictModel):
    """A recording with its opened metadata."""

    recording: RecordingView
    metadata: dict[str, Any] = Field(
        description="What identifies the call, as the call platform gave it, with every revision merged into it."
    )
    history: list[RevisionView] = Field(description="The revisions, in their order. Nothing was overwritten.")


class ListeningSessionView(StrictModel):
    """A granted listening session."""

    session_id: str
    recording_id: str
    purpose: str
    rendition: str
    media_path: str = Field(
        description="Where the media is, for who holds the session's cookie or the bearer token."
    )
    peaks_path: str | None = Field(
        description="Where the waveform peaks are, for the same holder; null when the recording has none."
    )
    size: int
    media: MediaView
    expires_at: Timestamp


def recording_view(summary: Summary) -> RecordingView:
    """Return a recording as lists show it."""
    return RecordingView(
        recording_id=summary.recording_id,
        call_id=summary.call_id,
        state=summary.state,
        queue=summary.queue,
        call_started_at=summary.call_started_at,
        sealed_at=summary.sealed_at,
        media=media_view(summary),
        retention=RetentionView(
            retention_class=summary.retention_class,
            retain_until=summary.retain_until,
            citation=summary.retention_citation,
        ),
    )


def revision_view(revision: SealedRevision) -> RevisionView:
    """Return what is shown of a revision beside the merged metadata."""
    actor = revision.actor
    return RevisionView(
        revision=revision.number,
        revised_at=revision.revised_at,
        by=ActorView(kind=actor.kind.value, id=actor.id, issuer=actor.issuer),
        changed=list(revision.changed),
    )


def media_view(summary: Summary) -> MediaView:
    """Return what was measured of the media."""
    media = summary.media
    return MediaView(
        media_type=media.media_type,
        codec=media.codec,
        channels=media.channels,
        sample_rate=media.sample_rate,
        duration_seconds=media.duration.total_seconds(),
        bytes_per_second=media.bytes_per_second,
        size=media.size,
        levels=[
            LevelView(
                rms_dbfs=level.rms_dbfs,
                peak_dbfs=level.peak_dbfs,
                silence=level.silence,
                clipped=level.clipped,
            )
            for level in media.levels
        ],
        masked_ranges=[
            MaskedRangeView(start_microseconds=start, end_microseconds=end) for start, end in media.masked
        ],
    )


def session_view(
    session: ListeningSession, recording: Recording, media_path: str, peaks_path: str | None
) -> ListeningSessionView:
    """Return a granted listening session. `peaks_path`: None where the recording has no peaks."""
    return ListeningSessionView(
        session_id=session.session_id,
        recording_id=session.recording_id,
        purpose=session.purpose,
        rendition=session.rendition,
        media_path=media_path,
        peaks_path=peaks_path,
        size=recording.summary.media.size,
        media=media_view(recording.summary),
        expires_at=session.expires_at,
    )
