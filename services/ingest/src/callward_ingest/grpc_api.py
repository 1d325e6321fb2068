"""Ingest's gRPC service for the access gateway: request → app → response. It opens nothing."""

from typing import Any

from callward.ingest.v1 import recording_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward_common.errors import InvalidRequest
from callward_common.http.cursors import decode_cursor, encode_cursor
from callward_common.ids import parse_id
from callward_ingest.app.media import Playable
from callward_ingest.app.reading import Reading
from callward_ingest.domain.recordings import RecordingFilter, RecordingState
from callward_ingest.translate import STATES, mark_message, revision_message, summary_message

DEFAULT_PAGE, LARGEST_PAGE = 50, 200
#: As many marks go along with a recording: the rest is the call platform's to list.
MOST_MARKS = 500
_SHAPE = {"before": str, "states": str, "queue": str}


class RecordingReader(recording_reader_service_pb2_grpc.RecordingReaderServicer):
    """Reads what is known of recordings."""

    def __init__(self, reading: Reading, playable: Playable) -> None:
        self._reading = reading
        self._playable = playable

    async def ListRecordings(
        self, request: recording_reader_service_pb2.ListRecordingsRequest, context: Any
    ) -> recording_reader_service_pb2.ListRecordingsResponse:
        """Lists a tenant's sealed and quarantined recordings, newest first."""
        tenant, wanted = _tenant(request.tenant_id), _wanted(request)
        page = await self._reading.page(tenant, wanted)
        token = ""
        if page.more:
            token = encode_cursor({**_bound(wanted), "before": page.recordings[-1].recording_id})
        return recording_reader_service_pb2.ListRecordingsResponse(
            recordings=[summary_message(item) for item in page.recordings], next_page_token=token
        )

    async def GetRecording(
        self, request: recording_reader_service_pb2.GetRecordingRequest, context: Any
    ) -> recording_reader_service_pb2.GetRecordingResponse:
        """Returns one sealed or quarantined recording with its manifest and its call's sealed document."""
        tenant, recording_id = _tenant(request.tenant_id), parse_id(request.recording_id)
        recording, manifest, call = await self._reading.sealed(tenant, recording_id)
        revisions = await self._reading.revisions(tenant, call.call_id)
        marks, more_marks = await self._reading.marks(tenant, call.call_id, MOST_MARKS)
        return recording_reader_service_pb2.GetRecordingResponse(
            summary=summary_message(recording),
            manifest=manifest,
            call_metadata=recording_pb2.SealedDocument(
                subject_id=call.call_id, ciphertext=call.document.ciphertext
            ),
            key_id=recording.key_id or "",
            marks=[mark_message(mark) for mark in marks],
            more_marks=more_marks,
            revisions=[revision_message(each) for each in revisions],
        )

    async def GetMedia(
        self, request: recording_reader_service_pb2.GetMediaRequest, context: Any
    ) -> recording_reader_service_pb2.GetMediaResponse:
        """Returns what is needed to play one recording; its manifest unless the caller holds it already."""
        tenant, recording_id = _tenant(request.tenant_id), parse_id(request.recording_id)
        recording, digest, manifest = await self._playable.media(
            tenant, recording_id, request.known_manifest_sha256
        )
        return recording_reader_service_pb2.GetMediaResponse(
            summary=summary_message(recording),
            key_id=recording.key_id or "",
            manifest_sha256=digest,
            manifest=manifest or b"",
        )


def _tenant(tenant_id: str) -> str:
    if not tenant_id:
        raise InvalidRequest("The tenant is missing.")
    return tenant_id


def _wanted(request: recording_reader_service_pb2.ListRecordingsRequest) -> RecordingFilter:
    if not 0 <= request.page_size <= LARGEST_PAGE:
        raise InvalidRequest(f"A page holds at most {LARGEST_PAGE} recordings.")
    shown = (RecordingState.sealed, RecordingState.quarantined)
    states = tuple(dict.fromkeys(STATES.get(state) for state in request.states)) or (RecordingState.sealed,)
    named = tuple(state for state in states if state in shown)
    if len(named) < len(states):
        raise InvalidRequest("Only sealed and quarantined recordings are listed.")
    wanted = RecordingFilter(
        states=tuple(sorted(named)), limit=request.page_size or DEFAULT_PAGE, queue=request.queue or None
    )
    if not request.page_token:
        return wanted
    cursor = decode_cursor(request.page_token, _SHAPE)
    before = parse_id(str(cursor.pop("before")))
    if cursor != _bound(wanted):
        raise InvalidRequest("The page token belongs to a list with other filters.")
    return RecordingFilter(states=wanted.states, limit=wanted.limit, queue=wanted.queue, before=before)


def _bound(wanted: RecordingFilter) -> dict[str, str | int]:
    return {"states": ",".join(wanted.states), "queue": wanted.queue or ""}
