"""What surrounds every request of a door. Pure ASGI: bodies stream through untouched in both directions."""

import logging
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callward_common.clock import Clock
from callward_common.http.problems import problem_response, unexpected
from callward_common.ids import new_id
from callward_common.telemetry import logging as logs
from callward_common.telemetry import metrics, names, tracing

_log = logging.getLogger(__name__)
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}


class RequestEnvelope:
    """Request id, security headers, span, metric, access log line, and an answer when something unforeseen happens.

    The request id and the trace are made here, never taken from outside. The log holds the route's template, never
    the path or the query. A header that the route has set itself is kept.
    """

    def __init__(self, app: ASGIApp, component: str, clock: Clock) -> None:
        """`component` names the door in telemetry."""
        self._app, self._component, self._clock = app, component, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = new_id(), self._clock.monotonic(), 0
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        attributes = {names.COMPONENT: self._component, names.REQUEST_ID: request_id}
        with (
            logs.component(self._component),
            tracing.span("http", attributes, kind=SpanKind.SERVER, parent=Context()) as span,
        ):
            try:
                await self._app(scope, receive, answer)
            except ClientDisconnect:
                status = 499  # nobody is there to answer; the number is the common one for it in access logs
            except Exception as error:
                if status:  # the answer has begun: only breaking it off tells the client
                    status = 500
                    raise
                await problem_response(unexpected(error), request_id)(scope, receive, answer)
            finally:
                route, method = getattr(scope.get("route"), "path", "unmatched"), _method(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {names.HTTP_METHOD: method, names.HTTP_ROUTE: route, names.HTTP_STATUS: status}
                )
                self._record(method, route, status, self._clock.monotonic() - started, request_id)

    def _record(self, method: str, route: str, status: int, seconds: float, request_id: str) -> None:
        metrics.record_http(self._component, method, route, status, seconds)
        extra = {"method": method, "route": route, "status": status, "duration_ms": round(seconds * 1000, 1)}
        _log.info("request", extra={**extra, "request_id": request_id})


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "OTHER"


class BodyLimit:
    """Refuses bodies past a limit in bytes (413), save where the route itself reads the body as a stream.

    The framework reads the body of a route that declares one whole into memory, whatever its media type, before the
    route asks who sends it.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        """`max_bytes` bounds the body as it arrives, whatever Content-Length says; `larger`: by a route's template."""
        self._app, self._max_bytes, self._larger = app, max_bytes, larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        json = "json" in Headers(scope=scope).get("content-type", "").lower()
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            # The route is known once the body is asked for.
            limit = self._larger.get(getattr(scope.get("route"), "path", ""), self._max_bytes)
            if received > limit and (json or not _streams(scope)):
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)


def _streams(scope: Scope) -> bool:
    # The route is known once the body is asked for. One that cannot be told apart counts as one that declares a body.
    route: Any = scope.get("route")
    return hasattr(route, "body_field") and route.body_field is None
