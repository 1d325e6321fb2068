"""What is plugged into what."""

from fastapi import FastAPI

from callward.access.v1 import tenant_register_service_pb2, tenant_register_service_pb2_grpc
from callward.access.v1.events_pb2 import TenantChanged
from callward_access.app.guard import Guard
from callward_access.app.playback import ListeningRules
from callward_access.app.recordings import RecordingsApp
from callward_access.app.register import RegisterApp
from callward_access.cedar import CedarEngine
from callward_access.grpc_api import TenantRegister
from callward_access.http import listening, peaks, recordings
from callward_access.http.people import ListeningCookies, People
from callward_access.kept_manifests import KeptManifests
from callward_access.neighbours import ConsentDecisions, IngestRecordings, KeyLeases
from callward_access.sealed_media import SealedMedia
from callward_access.settings import AccessSettings
from callward_access.store import DatabaseRegister, DatabaseUnits
from callward_access.wiring_listening import build_listening
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.http.app import create_app
from callward_common.objects.store import ObjectStore
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_common.tokens import JwksSource, TokenVerifier

NAME = "access-gateway"


def build(
    settings: AccessSettings,
    *,
    db: Database,
    bus: EventBus,
    clock: Clock,
    channels: Channels,
    objects: ObjectStore,
    jwks: JwksSource,
) -> Service:
    """Build the access gateway out of its adapters."""
    tenants = TenantProjection(db, clock)
    tracker = WatermarkTracker(db, GrpcWatermarkSource(channels), clock)
    guard = Guard(
        CedarEngine.shipped(),
        tracker,
        DatabaseUnits(db),
        clock,
        max_audit_lag=settings.max_audit_lag,
        strangers_per_minute=settings.strangers_per_minute,
    )
    door = _door(settings, guard, db, clock, channels, objects, TokenVerifier(tenants, jwks, clock))
    tenant_consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: tenants.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=[
            GrpcBinding(
                tenant_register_service_pb2_grpc.add_TenantRegisterServicer_to_server,
                TenantRegister(RegisterApp(DatabaseRegister(db))),
                tenant_register_service_pb2.DESCRIPTOR.services_by_name["TenantRegister"],
            )
        ],
        http=door,
        consumers=[tenant_consumer],
        background=[OutboxRelay(db, bus, clock), tracker],
        ready=[("database", db.ping)],
    )


def _door(
    settings: AccessSettings,
    guard: Guard,
    db: Database,
    clock: Clock,
    channels: Channels,
    objects: ObjectStore,
    verifier: TokenVerifier,
) -> FastAPI:
    units, consent, keys = DatabaseUnits(db), ConsentDecisions(channels), KeyLeases(channels)
    media = SealedMedia(objects, known_parts=settings.known_parts, read_ahead=settings.read_ahead)
    reader = IngestRecordings(channels, KeptManifests(settings.kept_manifests))
    recordings_app = RecordingsApp(guard, reader, consent, keys, media, units)
    apps = build_listening(
        guard,
        recordings_app,
        consent,
        keys,
        media,
        units,
        clock,
        _rules(settings),
        max_sessions=settings.max_playing_sessions,
        max_peaks_bytes=settings.max_peaks_bytes,
    )
    key = settings.cookie_key
    cookies = ListeningCookies(None if key is None else bytes.fromhex(key.get_secret_value()))
    people = People(verifier, guard, cookies, audience=settings.audience)
    return create_app(
        component=NAME,
        routers=[
            recordings.router(recordings_app, people),
            listening.router(apps.media, apps.peaks, people, cookies, lifetime=settings.session_lifetime),
            peaks.router(apps.peaks, people),
        ],
        title="Callward for people",
        description="List, view and listen to recorded calls, each act with its own right, purpose and record.",
        clock=clock,
    )


def _rules(settings: AccessSettings) -> ListeningRules:
    return ListeningRules(
        session_lifetime=settings.session_lifetime,
        lead=settings.listen_lead,
        factor=settings.listen_factor,
        reauthorise_after=settings.reauthorise_after,
    )
