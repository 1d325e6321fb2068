"""A recording with the control marks of its call, as the door for people shows it."""

from pydantic import Field

from callward_access.domain.marks import ControlMark
from callward_access.domain.model import Recording
from callward_access.http.models import RecordingView, recording_view
from callward_common.http.model import StrictModel, Timestamp


class MarkView(StrictModel):
    """A control mark: what happened during the call, and the SHA-256 (hex) of its signed statement."""

    mark_id: str
    kind: str
    leg_id: str | None
    reason: str | None
    at: Timestamp
    until: Timestamp | None
    received_at: Timestamp
    statement_sha256: str


class RecordingShown(RecordingView):
    """A recording with the control marks of its call: no identifying field."""

    marks: list[MarkView] = Field(
        description="In the order in which they came: pauses, masks and their reasons."
    )
    more_marks: bool = Field(description="Whether the call has more marks than are shown.")


def recording_shown(recording: Recording) -> RecordingShown:
    """Return a recording as lists show it, with the control marks of its call."""
    listed = recording_view(recording.summary)
    return RecordingShown(
        **{name: getattr(listed, name) for name in RecordingView.model_fields},
        marks=[_mark(mark) for mark in recording.marks],
        more_marks=recording.more_marks,
    )


def _mark(mark: ControlMark) -> MarkView:
    return MarkView(
        mark_id=mark.mark_id,
        kind=mark.kind,
        leg_id=mark.leg_id,
        reason=mark.reason,
        at=mark.at,
        until=mark.until,
        received_at=mark.received_at,
        statement_sha256=mark.statement_sha256.hex(),
    )
