"""Routes for the waveform peaks of a listening session's recording."""

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from callward_access.app.peaks import DEFAULT_TYPE, PeaksApp
from callward_access.http.people import People
from callward_access.http.streaming import MediaResponse, media_headers


def router(app: PeaksApp, people: People) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["listening"])

    @routes.get(
        "/listening-sessions/{session_id}/peaks",
        operation_id="getPeaks",
        response_class=StreamingResponse,
        responses={200: _BYTES},
    )
    async def get_peaks(request: Request, session_id: str) -> Response:
        """Serve the waveform peaks whole: audiowaveform's binary format, version 2. Each time is a grant on record."""
        person = await people.identify_listener(request, session_id, "listen")
        answer, stream = await app.read(person, session_id)
        return MediaResponse(stream, answer, ranges=False)

    @routes.head("/listening-sessions/{session_id}/peaks", operation_id="headPeaks")
    async def head_peaks(request: Request, session_id: str) -> Response:
        """Say what a GET would serve, by the same rules. Nothing is opened."""
        person = await people.identify_listener(request, session_id, "listen")
        answer = await app.describe(person, session_id)
        headers = media_headers(answer, ranges=False)
        return Response(status_code=200, headers=headers, media_type=answer.media_type)

    return routes


_BYTES = {"content": {DEFAULT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
