"""What answers say of an upload."""

from callward_common.errors import JsonValue
from callward_common.http.model import StrictModel, Timestamp
from callward_ingest.app.answers import moment
from callward_ingest.domain.uploads import Upload


class UploadAnswer(StrictModel):
    """An upload: its state, the bytes that never have to be sent again, and until when it may go on."""

    upload_id: str
    recording_id: str
    call_id: str
    state: str
    offset: int
    length: int | None
    parts: int
    created_at: Timestamp
    expires_at: Timestamp
    reason: str | None


def status_json(upload: Upload) -> dict[str, JsonValue]:
    """Gives an upload as its sender sees it."""
    return {
        "uploadId": upload.upload_id,
        "recordingId": upload.upload_id,
        "callId": upload.call_id,
        "state": upload.state.value,
        "offset": upload.received,
        "length": upload.length,
        "parts": upload.parts,
        "createdAt": moment(upload.created_at),
        "expiresAt": moment(upload.expires_at),
        "reason": upload.reason,
    }


def location(upload: Upload) -> str:
    """Gives where an upload is."""
    return f"/v1/uploads/{upload.upload_id}"
