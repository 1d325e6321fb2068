"""Puts the door together."""

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

from callward_common.clock import Clock
from callward_common.http.app import create_app
from callward_ingest.app.calls import Calls
from callward_ingest.app.directory import Directory
from callward_ingest.app.legs import Legs
from callward_ingest.app.marks import Marks
from callward_ingest.app.proofs import Proofs
from callward_ingest.app.reading import Reading
from callward_ingest.app.reconciliation import Reconciliations
from callward_ingest.app.resumable import Resumable
from callward_ingest.app.revisions import Revisions
from callward_ingest.app.uploads import Uploads
from callward_ingest.app.webhook_deliveries import WebhookDeliveries
from callward_ingest.app.webhooks import Webhooks
from callward_ingest.http.calls import calls_router
from callward_ingest.http.guard import Guard
from callward_ingest.http.keys import keys_router
from callward_ingest.http.legs import legs_router
from callward_ingest.http.marks import marks_router
from callward_ingest.http.proofs import proofs_router
from callward_ingest.http.reconciliations import PATH as RECONCILIATIONS
from callward_ingest.http.reconciliations import reconciliations_router
from callward_ingest.http.recordings import BodyLimits, recordings_router
from callward_ingest.http.revisions import revisions_router
from callward_ingest.http.tus_version import TusVersion
from callward_ingest.http.uploads import uploads_router
from callward_ingest.http.webhooks import webhooks_router
from callward_ingest.settings import IngestSettings

_TAGS: list[dict[str, str]] = [
    {"name": "calls", "description": "May a call be recorded, and by which rule?"},
    {"name": "reconciliations", "description": "What of the calls that were placed is here?"},
    {"name": "recordings", "description": "Recordings and their receipts."},
    {"name": "uploads", "description": "Uploads that resume after a break: the IETF draft, and tus 1.0."},
    {"name": "webhooks", "description": "Receivers outside that are told of events."},
    {"name": "keys", "description": "Public signing keys."},
]


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the door leads to."""

    calls: Calls
    uploads: Uploads
    resumable: Resumable
    reading: Reading
    proofs: Proofs
    revisions: Revisions
    reconciliations: Reconciliations
    legs: Legs
    marks: Marks
    webhooks: Webhooks
    deliveries: WebhookDeliveries
    directory: Directory


def make_http(settings: IngestSettings, guard: Guard, use: UseCases, clock: Clock) -> FastAPI:
    """Gives the door for call platforms."""
    app = create_app(
        component="ingest",
        routers=[*_call_routers(settings, guard, use), *_recording_routers(settings, guard, use, clock)],
        title="Callward ingest",
        description="Calls and recordings in: decided upon, encrypted while they arrive, answered with a receipt.",
        clock=clock,
        openapi_tags=_TAGS,
        max_json_bytes=settings.max_json_bytes,
        larger_bodies={RECONCILIATIONS: settings.max_reconciliation_bytes},
    )
    app.add_middleware(TusVersion)
    return app


def _call_routers(settings: IngestSettings, guard: Guard, use: UseCases) -> list[APIRouter]:
    notes = settings.max_notes_characters
    return [
        calls_router(guard, use.calls, use.reading, max_parties=settings.max_parties, max_notes=notes),
        revisions_router(guard, use.revisions, max_notes=notes),
        reconciliations_router(guard, use.reconciliations, max_calls=settings.max_reconciliation_calls),
        legs_router(guard, use.legs),
        marks_router(guard, use.marks),
    ]


def _recording_routers(
    settings: IngestSettings, guard: Guard, use: UseCases, clock: Clock
) -> list[APIRouter]:
    limits = BodyLimits(settings.max_body_bytes, settings.body_idle_timeout, settings.min_body_rate)
    return [
        recordings_router(guard, use.uploads, use.reading, clock, limits),
        proofs_router(guard, use.proofs),
        uploads_router(guard, use.resumable, clock, limits),
        webhooks_router(guard, use.webhooks, use.deliveries),
        keys_router(use.directory, max_age=int(settings.jwks_max_age)),
    ]
