"""What is plugged into what."""

from fastapi import FastAPI

from callward.access.v1.events_pb2 import TenantChanged
from callward.audit.v1 import (
    events_pb2,
    proof_reader_service_pb2,
    proof_reader_service_pb2_grpc,
    watermark_service_pb2,
    watermark_service_pb2_grpc,
)
from callward_audit.app.checkpoints import Checkpoints
from callward_audit.app.ledger import LedgerApp
from callward_audit.app.reading import ReadingApp
from callward_audit.events import DatabaseDenials
from callward_audit.grpc_api import ProofReader, Watermark
from callward_audit.http import keys, routes
from callward_audit.http.readers import Readers
from callward_audit.neighbours import KeyManagementSigner
from callward_audit.reading_store import DatabaseLeaves, DatabaseLog
from callward_audit.settings import AuditSettings
from callward_audit.store import DatabaseLedger
from callward_audit.work import CheckpointWriter, LedgerWriter
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.options import component_of
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.http.app import create_app
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_common.tokens import JwksSource, TokenVerifier

NAME = "audit"


def topics() -> list[str]:
    """Return every topic: what the proto says audit consumes."""
    component = component_of(events_pb2.DESCRIPTOR)
    assert component is not None
    return sorted(component.consumes)


def build(
    settings: AuditSettings,
    *,
    db: Database,
    bus: EventBus,
    clock: Clock,
    channels: Channels,
    jwks: JwksSource,
) -> Service:
    """Build the audit service out of its adapters."""
    tenants = TenantProjection(db, clock)
    log, ledger = DatabaseLog(db), DatabaseLedger(db, clock)
    checkpoints = Checkpoints(log, KeyManagementSigner(channels), clock)
    ledger_app = LedgerApp(ledger, checkpoints, clock, host=settings.host)
    verifier = TokenVerifier(tenants, jwks, clock)
    reading = ReadingApp(log, DatabaseLeaves(db))
    writer = LedgerWriter(db, bus, ledger_app, ledger, topics(), batch=settings.batch)
    tenant_consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: tenants.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=_rpcs(log, reading, settings.host),
        http=_door(settings, db, clock, channels, reading, verifier),
        consumers=[writer, tenant_consumer],
        background=[
            CheckpointWriter(
                checkpoints, writer.leads, interval=settings.checkpoint_interval.total_seconds()
            ),
            OutboxRelay(db, bus, clock),
            WatermarkTracker(db, GrpcWatermarkSource(channels), clock),
        ],
        ready=[("database", db.ping)],
    )


def _rpcs(log: DatabaseLog, reading: ReadingApp, host: str) -> list[GrpcBinding]:
    return [
        GrpcBinding(
            watermark_service_pb2_grpc.add_WatermarkServicer_to_server,
            Watermark(log),
            watermark_service_pb2.DESCRIPTOR.services_by_name["Watermark"],
        ),
        GrpcBinding(
            proof_reader_service_pb2_grpc.add_ProofReaderServicer_to_server,
            ProofReader(reading, host=host),
            proof_reader_service_pb2.DESCRIPTOR.services_by_name["ProofReader"],
        ),
    ]


def _door(
    settings: AuditSettings,
    db: Database,
    clock: Clock,
    channels: Channels,
    reading: ReadingApp,
    verifier: TokenVerifier,
) -> FastAPI:
    readers = Readers(
        verifier,
        DatabaseDenials(db),
        clock,
        audience=settings.audience,
        strangers_per_minute=settings.strangers_per_minute,
    )
    return create_app(
        component=NAME,
        routers=[
            routes.router(reading, readers, host=settings.host),
            keys.router(channels, clock),
        ],
        title="Callward audit",
        description="Events in OCSF by cursor, signed checkpoints, and proofs that verify offline.",
        clock=clock,
    )
