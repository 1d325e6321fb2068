"""The management application of a service: liveness, readiness and metrics, apart from the door."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from callward_common.clock import Clock

#: Gives each ready check's name and whether it passed.
Readiness = Callable[[], Awaitable[dict[str, bool]]]


class LoopWatchdog:
    """Notices an event loop that stood still for longer than `limit_seconds`.

    While the loop hangs, `/livez` (served by the same loop) does not answer, and the probe's timeout is the failure;
    when it answers before the heartbeat has run again, it answers 503. A heartbeat that died is noticed as well.
    """

    name = "loop-watchdog"

    def __init__(self, clock: Clock, limit_seconds: float = 10.0, interval_seconds: float = 1.0) -> None:
        """The first beat counts from now."""
        self._clock, self._limit, self._interval = clock, limit_seconds, interval_seconds
        self._last = clock.monotonic()

    def alive(self) -> bool:
        """Says whether the last beat is recent enough."""
        return self._clock.monotonic() - self._last <= self._limit

    async def run(self, stop: asyncio.Event) -> None:
        """Beats until `stop` is set."""
        while not stop.is_set():
            self._last = self._clock.monotonic()
            try:
                await asyncio.wait_for(stop.wait(), self._interval)
            except TimeoutError:
                continue


def health_app(watchdog: LoopWatchdog, readiness: Readiness) -> Starlette:
    """Gives `/livez` (the loop only), `/readyz` (the checks, by name only) and `/metrics` (Prometheus)."""

    async def livez(_: Request) -> Response:
        alive = watchdog.alive()
        return JSONResponse({"status": "alive" if alive else "stalled"}, 200 if alive else 503)

    async def readyz(_: Request) -> Response:
        checks = await readiness()
        ready = all(checks.values())
        shown = {name: "ok" if passed else "failed" for name, passed in checks.items()}
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "checks": shown}, 200 if ready else 503
        )

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
