"""Makes the application of a door."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI

from callward_common.clock import Clock
from callward_common.http.middleware import BodyLimit, RequestEnvelope
from callward_common.http.problems import PROBLEM_RESPONSE, install


def create_app(
    *,
    component: str,
    routers: Sequence[APIRouter],
    title: str,
    description: str,
    clock: Clock,
    version: str = "1",
    openapi_tags: list[dict[str, Any]] | None = None,
    max_json_bytes: int = 256 * 1024,
    larger_bodies: Mapping[str, int] | None = None,
) -> FastAPI:
    """Gives the door's application: problem documents, request ids, security headers, `/openapi.json`, no pages.

    Bodies past `max_json_bytes` are refused with 413, save those that their route reads as a stream. `larger_bodies`
    has a limit of its own for some routes, by the templates of their paths.
    """
    app = FastAPI(
        title=title,
        description=description,
        version=version,
        openapi_tags=openapi_tags,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": PROBLEM_RESPONSE},
    )
    for router in routers:
        app.include_router(router)
    install(app)
    app.add_middleware(BodyLimit, max_bytes=max_json_bytes, larger=larger_bodies or {})
    app.add_middleware(RequestEnvelope, component=component, clock=clock)
    return app
