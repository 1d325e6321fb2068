"""What is plugged into what."""

from callward.access.v1.events_pb2 import TenantChanged
from callward.retention.v1 import retention_planner_service_pb2, retention_planner_service_pb2_grpc
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_retention.app import RetentionApp
from callward_retention.grpc_api import RetentionPlanner
from callward_retention.holders import TenantHolders
from callward_retention.law.table import shipped_table
from callward_retention.settings import RetentionSettings
from callward_retention.store import DatabasePlans

NAME = "retention"


def build(
    settings: RetentionSettings, *, db: Database, bus: EventBus, clock: Clock, channels: Channels
) -> Service:
    """Build the retention service out of its adapters."""
    tenants = TenantProjection(db, clock)
    app = RetentionApp(
        DatabasePlans(db),
        TenantHolders(tenants),
        shipped_table(),
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
                retention_planner_service_pb2_grpc.add_RetentionPlannerServicer_to_server,
                RetentionPlanner(app),
                retention_planner_service_pb2.DESCRIPTOR.services_by_name["RetentionPlanner"],
            )
        ],
        consumers=[tenant_consumer],
        background=[OutboxRelay(db, bus, clock), WatermarkTracker(db, GrpcWatermarkSource(channels), clock)],
        ready=[("database", db.ping)],
    )
