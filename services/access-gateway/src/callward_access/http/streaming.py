"""How the bytes of a rendition are answered: as a stream whose end is put on record, and with what headers."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from callward_access.app.listening import MediaAnswer
from callward_access.app.playback import MediaStream


class MediaResponse(StreamingResponse):
    """Streams media; however it ends, also when the client goes away, what was sent is put on record."""

    def __init__(self, stream: MediaStream, answer: MediaAnswer, *, ranges: bool) -> None:
        super().__init__(
            stream,
            status_code=206 if answer.selected.partial else 200,
            headers=media_headers(answer, ranges=ranges),
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


def media_headers(answer: MediaAnswer, *, ranges: bool) -> Mapping[str, str]:
    """Return the headers of an answer. `ranges`: whether parts of it may be asked for (RFC 9110 section 14.3)."""
    headers = {
        "Accept-Ranges": "bytes" if ranges else "none",
        "Content-Length": str(answer.selected.length),
        "ETag": answer.etag,
        "Cache-Control": "private, no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Disposition": "inline",
    }
    if answer.selected.partial:
        headers["Content-Range"] = answer.selected.content_range
    return headers


def only(request: Request, name: str) -> str | None:
    """Return a header that is given once; one given several times says nothing certain, like one not given."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else None
