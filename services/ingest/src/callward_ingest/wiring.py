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
from callward_common.objects.store import ObjectStore
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_common.tokens import JwksSource, TokenVerifier
from callward_ingest.app.attempts import Attempts
from callward_ingest.app.background import Background
from callward_ingest.app.calls import Calls
from callward_ingest.app.denials import Denials
from callward_ingest.app.directory import Directory
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.giving_up import GivingUp
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Once
from callward_ingest.app.reading import Reading
from callward_ingest.app.uploads import Uploads
from callward_ingest.grpc_api import RecordingReader
from callward_ingest.http.app import make_http
from callward_ingest.http.guard import Guard
from callward_ingest.manifest import encode_manifest
from callward_ingest.neighbours.consent import GrpcConsent
from callward_ingest.neighbours.keys import GrpcKeys, GrpcPseudonyms
from callward_ingest.neighbours.retention import GrpcPlanner
from callward_ingest.neighbours.signing import GrpcSigner, GrpcSigningKeys
from callward_ingest.settings import IngestSettings
from callward_ingest.store import DatabaseUnits

NAME = "ingest"


def build(
    settings: IngestSettings,
    *,
    db: Database,
    bus: EventBus,
    clock: Clock,
    channels: Channels,
    objects: ObjectStore,
    jwks: JwksSource,
) -> Service:
    """Builds the service ingest out of its adapters. `objects`: where ciphertext goes; `jwks`: issuers' keys."""
    units = DatabaseUnits(db, keep_answers=settings.keep_answers)
    tenants, consent = TenantProjection(db, clock), GrpcConsent(channels)
    reading, background = Reading(units, consent), Background()
    fingerprints = Fingerprints(GrpcPseudonyms(channels), clock)
    denials = Denials(units, clock, per_minute=settings.denials_per_minute)
    door = make_http(
        settings,
        guard=Guard(TokenVerifier(tenants, jwks, clock), denials, settings.audiences),
        calls=_calls(settings, units, consent, channels, fingerprints, clock),
        uploads=_uploads(settings, units, consent, channels, objects, fingerprints, background, clock),
        reading=reading,
        directory=Directory(GrpcSigningKeys(channels), clock, max_age=settings.jwks_max_age),
        clock=clock,
    )
    consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: tenants.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=[_reader(reading)],
        http=door,
        consumers=[consumer],
        background=[OutboxRelay(db, bus, clock), WatermarkTracker(db, GrpcWatermarkSource(channels), clock)],
        ready=[("database", db.ping)],
        close=[background.drain],
    )


def _calls(
    settings: IngestSettings,
    units: DatabaseUnits,
    consent: GrpcConsent,
    channels: Channels,
    fingerprints: Fingerprints,
    clock: Clock,
) -> Calls:
    limits = _limits(settings)
    return Calls(
        units=units,
        once=Once(units, fingerprints, clock, limits),
        consent=consent,
        planner=GrpcPlanner(channels),
        keys=GrpcKeys(channels),
        pseudonyms=GrpcPseudonyms(channels),
        clock=clock,
        limits=limits,
    )


def _uploads(
    settings: IngestSettings,
    units: DatabaseUnits,
    consent: GrpcConsent,
    channels: Channels,
    objects: ObjectStore,
    fingerprints: Fingerprints,
    background: Background,
    clock: Clock,
) -> Uploads:
    keys = GrpcKeys(channels)
    attempts = Attempts(
        units=units,
        consent=consent,
        planner=GrpcPlanner(channels),
        keys=keys,
        signer=GrpcSigner(channels),
        objects=objects,
        encode_manifest=encode_manifest,
        clock=clock,
    )
    return Uploads(
        units=units,
        attempts=attempts,
        giving_up=GivingUp(units, keys, objects),
        fingerprints=fingerprints,
        background=background,
        clock=clock,
        limits=_limits(settings),
    )


def _reader(reading: Reading) -> GrpcBinding:
    return GrpcBinding(
        recording_reader_service_pb2_grpc.add_RecordingReaderServicer_to_server,
        RecordingReader(reading),
        recording_reader_service_pb2.DESCRIPTOR.services_by_name["RecordingReader"],
    )


def _limits(settings: IngestSettings) -> Limits:
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        max_parallel_uploads=settings.max_parallel_uploads,
        clock_skew=settings.clock_skew,
        claim_hold=settings.claim_hold,
        claim_renew_seconds=settings.claim_hold.total_seconds() / 5,
        retry_after_seconds=settings.retry_after,
    )
