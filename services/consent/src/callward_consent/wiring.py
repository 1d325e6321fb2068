"""What is plugged into what."""

from callward.access.v1.events_pb2 import TenantChanged
from callward.consent.v1 import (
    consent_decider_service_pb2,
    consent_decider_service_pb2_grpc,
    consent_recorder_service_pb2,
    consent_recorder_service_pb2_grpc,
)
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_consent.app import ConsentApp
from callward_consent.grpc_api import ConsentDecider, ConsentRecorder
from callward_consent.law.table import ShippedLaw
from callward_consent.policies import TenantPolicies
from callward_consent.settings import ConsentSettings
from callward_consent.store import DatabaseUnits

NAME = "consent"


def build(
    settings: ConsentSettings, *, db: Database, bus: EventBus, clock: Clock, channels: Channels
) -> Service:
    """Build the consent service out of its adapters."""
    tenants = TenantProjection(db, clock)
    app = ConsentApp(
        DatabaseUnits(db),
        TenantPolicies(tenants),
        ShippedLaw(),
        clock,
        future_tolerance=settings.future_tolerance,
    )
    tenant_consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: tenants.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=[
            GrpcBinding(
                consent_recorder_service_pb2_grpc.add_ConsentRecorderServicer_to_server,
                ConsentRecorder(app),
                consent_recorder_service_pb2.DESCRIPTOR.services_by_name["ConsentRecorder"],
            ),
            GrpcBinding(
                consent_decider_service_pb2_grpc.add_ConsentDeciderServicer_to_server,
                ConsentDecider(app),
                consent_decider_service_pb2.DESCRIPTOR.services_by_name["ConsentDecider"],
            ),
        ],
        consumers=[tenant_consumer],
        background=[OutboxRelay(db, bus, clock), WatermarkTracker(db, GrpcWatermarkSource(channels), clock)],
        ready=[("database", db.ping)],
    )
