"""Routes for listening: open a session, get its media by range, end it."""

from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from callward_access.app.listening import ListeningApp, MediaAnswer
from callward_access.app.playback import MediaStream
from callward_access.domain.model import ListeningSession
from callward_access.http.models import ListeningSessionView, PurposeBody, session_view
from callward_access.http.people import ListeningCookies, People


class MediaResponse(StreamingResponse):
    """Streams media; however it ends, also when the client goes away, what was sent is put on record."""

    def __init__(self, stream: MediaStream, answer: MediaAnswer) -> None:
        super().__init__(
            stream,
            status_code=206 if answer.selected.partial else 200,
            headers=_headers(answer),
            media_type=answer.media_type,
        )
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Out here: within, a client that went away has cancelled every await.
            await self._stream.finish()


def router(app: ListeningApp, people: People, cookies: ListeningCookies, *, lifetime: timedelta) -> APIRouter:
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
        path = f"/v1/listening-sessions/{session.session_id}/media"
        response.headers["Location"] = path
        for surplus in cookies.surplus(request.cookies):
            _forget_cookie(response, surplus)
        _set_cookie(response, cookies, session, person.token, lifetime)
        return session_view(session, recording, path)

    @routes.get(
        "/listening-sessions/{session_id}/media",
        operation_id="getMedia",
        response_class=StreamingResponse,
        responses={200: _BYTES, 206: _BYTES},
    )
    async def get_media(request: Request, session_id: str) -> Response:
        """Serve the media, or the range asked for (RFC 9110), at the pace of listening."""
        person = await people.identify_listener(request, session_id, "listen")
        answer, stream = await app.play(
            person, session_id, _only(request, "range"), _only(request, "if-range")
        )
        return MediaResponse(stream, answer)

    @routes.head("/listening-sessions/{session_id}/media", operation_id="headMedia")
    async def head_media(request: Request, session_id: str) -> Response:
        """Say what a GET of the whole would serve: a Range has no meaning here (RFC 9110 section 14.2)."""
        person = await people.identify_listener(request, session_id, "listen")
        answer = await app.describe(person, session_id)
        return Response(status_code=200, headers=_headers(answer), media_type=answer.media_type)

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


def _only(request: Request, name: str) -> str | None:
    """Return a header that is given once; one given several times says nothing certain, like one not given."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _headers(answer: MediaAnswer) -> Mapping[str, str]:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(answer.selected.length),
        "ETag": answer.etag,
        "Cache-Control": "private, no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Disposition": "inline",
    }
    if answer.selected.partial:
        headers["Content-Range"] = answer.selected.content_range
    return headers


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
