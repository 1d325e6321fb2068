"""Puts the door together."""

from fastapi import FastAPI

from callward_common.clock import Clock
from callward_common.http.app import create_app
from callward_ingest.app.calls import Calls
from callward_ingest.app.directory import Directory
from callward_ingest.app.reading import Reading
from callward_ingest.app.uploads import Uploads
from callward_ingest.http.calls import calls_router
from callward_ingest.http.guard import Guard
from callward_ingest.http.keys import keys_router
from callward_ingest.http.recordings import BodyLimits, recordings_router
from callward_ingest.settings import IngestSettings


def make_http(
    settings: IngestSettings,
    *,
    guard: Guard,
    calls: Calls,
    uploads: Uploads,
    reading: Reading,
    directory: Directory,
    clock: Clock,
) -> FastAPI:
    """Gives the door for call platforms."""
    body_limits = BodyLimits(settings.max_body_bytes, settings.body_idle_timeout, settings.min_body_rate)
    return create_app(
        component="ingest",
        routers=[
            calls_router(
                guard,
                calls,
                reading,
                max_parties=settings.max_parties,
                max_notes=settings.max_notes_characters,
            ),
            recordings_router(guard, uploads, reading, clock, body_limits),
            keys_router(directory, max_age=int(settings.jwks_max_age)),
        ],
        title="Callward ingest",
        description="Calls and recordings in: decided upon, encrypted while they arrive, answered with a receipt.",
        clock=clock,
        openapi_tags=[
            {"name": "calls", "description": "May a call be recorded, and by which rule?"},
            {"name": "recordings", "description": "Recordings and their receipts."},
            {"name": "keys", "description": "Public signing keys."},
        ],
        max_json_bytes=settings.max_json_bytes,
    )
