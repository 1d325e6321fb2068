"""Routes for listening: open a session, get its media by range, end it."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from callward_access.app.listening import ListeningApp
from callward_access.app.peaks import PeaksApp
from callward_access.domain.model import ListeningSession
from callward_access.http.models import ListeningSessionView, PurposeBody, session_view
from callward_access.http.people import ListeningCookies, People
from callward_access.http.streaming import MediaResponse, media_headers, only


def router(
    app: ListeningApp, peaks: PeaksApp, people: People, cookies: ListeningCookies, *, lifetime: timedelta
) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["listening"])

    @routes.post(
        "/recordings/{recording_id}/listening-sessions", operation_id="openListeningSession", status_code=201
    )
    async def open_session(
        request: Request, response: Response, recording_id: str, body: PurposeBody
    ) -> ListeningSessionView:
        """Ask to listen, with a purpose. The grant is durably on record before this answers."""
        person = await people.identify(request, "listen")
        session, recording = await app.open(person, recording_id, body.purpose)
        path = f"/v1/listening-sessions/{session.session_id}"
        has_peaks = await peaks.available(person, session, recording)
        response.headers["Location"] = f"{path}/media"
        for surplus in cookies.surplus(request.cookies):
            _forget_cookie(response, surplus)
        _set_cookie(response, cookies, session, person.token, lifetime)
        return session_view(session, recording, f"{path}/media", f"{path}/peaks" if has_peaks else None)

    @routes.get(
        "/listening-sessions/{session_id}/media",
        operation_id="getMedia",
        response_class=StreamingResponse,
        responses={200: _BYTES, 206: _BYTES},
    )
    async def get_media(request: Request, session_id: str) -> Response:
        """Serve the media, or the range asked for (RFC 9110), at the pace of listening."""
        person = await people.identify_listener(request, session_id, "listen")
        answer, stream = await app.play(person, session_id, only(request, "range"), only(request, "if-range"))
        return MediaResponse(stream, answer, ranges=True)

    @routes.head("/listening-sessions/{session_id}/media", operation_id="headMedia")
    async def head_media(request: Request, session_id: str) -> Response:
        """Say what a GET of the whole would serve: a Range has no meaning here (RFC 9110 section 14.2)."""
        person = await people.identify_listener(request, session_id, "listen")
        answer = await app.describe(person, session_id)
        headers = media_headers(answer, ranges=True)
        return Response(status_code=200, headers=headers, media_type=answer.media_type)

    @routes.delete("/listening-sessions/{session_id}", operation_id="endListeningSession", status_code=204)
    async def end_session(request: Request, session_id: str) -> Response:
        """End the session at once."""
        person = await people.identify_listener(request, session_id, "listen")
        await app.close(person, session_id)
        response = Response(status_code=204)
        _forget_cookie(response, cookies.name(session_id))
        return response

    return routes


_BYTES = {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}


def _set_cookie(
    response: Response, cookies: ListeningCookies, session: ListeningSession, token: str, lifetime: timedelta
) -> None:
    response.set_cookie(
        cookies.name(session.session_id),
        cookies.seal(session.session_id, token),
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )


def _forget_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="strict")
