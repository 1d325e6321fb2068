"""Names the version of tus on every answer to a request that speaks tus, refusals included."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_VERSION, _ASKED = "Tus-Resumable", "1.0.0"


class TusVersion:
    """An ASGI middleware: tus demands the header with every answer but that to OPTIONS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and adds the header to its answer."""
        if scope["type"] != "http" or _VERSION not in Headers(scope=scope):
            await self._app(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_VERSION] = _ASKED
            await send(message)

        await self._app(scope, receive, answered)
