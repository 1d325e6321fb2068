"""Routes for listening: open a session, get its media by range, end it."""

from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from callward_access.app.listening import ListeningApp, MediaAnswer
from callward_access.domain.model import ListeningSession
from callward_access.http.models import ListeningSessionView, PurposeBody, session_view
from callward_access.http.people import ListeningCookies, People


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
        answer, body = await app.play(
            person, session_id, request.headers.get("range"), request.headers.get("if-range")
        )
        return StreamingResponse(
            body, status_code=_status(answer), headers=_headers(answer), media_type=answer.media_type
        )

    @routes.head("/listening-sessions/{session_id}/media", operation_id="headMedia")
    async def head_media(request: Request, session_id: str) -> Response:
        """Say what a GET would serve."""
        person = await people.identify_listener(request, session_id, "listen")
        answer = await app.describe(
            person, session_id, request.headers.get("range"), request.headers.get("if-range")
        )
        return Response(status_code=_status(answer), headers=_headers(answer), media_type=answer.media_type)

    @routes.delete("/listening-sessions/{session_id}", operation_id="endListeningSession", status_code=204)
    async def end_session(request: Request, session_id: str) -> Response:
        """End the session at once."""
        person = await people.identify_listener(request, session_id, "listen")
        await app.close(person, session_id)
        response = Response(status_code=204)
        response.delete_cookie(
            cookies.name(session_id), path="/", secure=True, httponly=True, samesite="strict"
        )
        return response

    return routes


_BYTES = {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}


def _known(session_id: str) -> str:
    try:
        return parse_id(session_id)
    except InvalidRequest as error:
        raise SessionNotFound("there is no such listening session for you, or it has ended") from error


def _status(answer: MediaAnswer) -> int:
    return 206 if answer.selected.partial else 200


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
