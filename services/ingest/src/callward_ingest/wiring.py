"""What is plugged into what."""

from callward.access.v1.events_pb2 import TenantChanged
from callward.ingest.v1 import recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_common.tokens import JwksSource, TokenVerifier
from callward_ingest.app.denials import Denials
from callward_ingest.app.directory import Directory
from callward_ingest.app.legs import Legs
from callward_ingest.app.media import Playable
from callward_ingest.app.objects import LockingStore
from callward_ingest.app.proofs import Proofs
from callward_ingest.app.reading import Reading
from callward_ingest.app.running import StopUploads
from callward_ingest.grpc_api import RecordingReader
from callward_ingest.http.app import UseCases, make_http
from callward_ingest.http.guard import Guard
from callward_ingest.neighbours.proofs import GrpcEventProofs
from callward_ingest.neighbours.signing import GrpcSigningKeys
from callward_ingest.settings import IngestSettings
from callward_ingest.store.media import DatabaseMedia
from callward_ingest.store.proofs import DatabaseReceiptEvents
from callward_ingest.wiring_base import Base, build_base
from callward_ingest.wiring_calls import build_calls, build_marks
from callward_ingest.wiring_history import build_reconciliations, build_revisions
from callward_ingest.wiring_uploads import Uploading, build_uploading
from callward_ingest.wiring_webhooks import WebhookParts, build_webhooks

NAME = "ingest"


def build(
    settings: IngestSettings,
    *,
    db: Database,
    bus: EventBus,
    clock: Clock,
    channels: Channels,
    objects: LockingStore,
    jwks: JwksSource,
) -> Service:
    """Builds the service ingest out of its adapters. `objects`: where ciphertext goes; `jwks`: issuers' keys."""
    base, tenants = build_base(settings, db=db, clock=clock, channels=channels), TenantProjection(db, clock)
    reading = Reading(base.units, base.consent)
    uploading, webhooks = build_uploading(base, objects), build_webhooks(base)
    guard = Guard(
        TokenVerifier(tenants, jwks, clock),
        Denials(base.units, clock, per_minute=settings.denials_per_minute),
        settings.audiences,
    )
    tenant_consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: tenants.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=[_reader(reading, db)],
        http=make_http(settings, guard, _use_cases(base, reading, uploading, webhooks), clock),
        # First: uploads end while the door still answers.
        consumers=[StopUploads(uploading.running, patience=settings.stop_patience), tenant_consumer],
        background=[
            base.hold,
            OutboxRelay(db, bus, clock),
            WatermarkTracker(db, GrpcWatermarkSource(channels), clock),
            webhooks.sender,
            uploading.sweeper,
        ],
        ready=[("database", db.ping)],
        close=[base.background.drain, uploading.sessions.close],
    )


def _use_cases(base: Base, reading: Reading, uploading: Uploading, webhooks: WebhookParts) -> UseCases:
    settings, channels = base.settings, base.channels
    events = DatabaseReceiptEvents(base.db)
    return UseCases(
        calls=build_calls(base),
        uploads=uploading.uploads,
        resumable=uploading.resumable,
        reading=reading,
        proofs=Proofs(events, GrpcEventProofs(channels), retry_after=settings.retry_after),
        revisions=build_revisions(base),
        reconciliations=build_reconciliations(base),
        legs=Legs(base.units, base.once, base.clock, base.limits),
        marks=build_marks(base),
        webhooks=webhooks.webhooks,
        deliveries=webhooks.deliveries,
        directory=Directory(GrpcSigningKeys(channels), base.clock, max_age=settings.jwks_max_age),
    )


def _reader(reading: Reading, db: Database) -> GrpcBinding:
    return GrpcBinding(
        recording_reader_service_pb2_grpc.add_RecordingReaderServicer_to_server,
        RecordingReader(reading, Playable(DatabaseMedia(db))),
        recording_reader_service_pb2.DESCRIPTOR.services_by_name["RecordingReader"],
    )
