"""Asking audit for the watermark, over a real server with mutual TLS."""

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from callward.audit.v1 import watermark_service_pb2 as watermark
from callward.audit.v1 import watermark_service_pb2_grpc as watermark_grpc
from callward_common.events.watermark import GrpcWatermarkSource, Watermark
from callward_common.grpc.caller import current_caller
from callward_common.grpc.server import GrpcBinding
from tests.support.grpc import run_servicers
from tests.support.pki import identities


class Audit(watermark_grpc.WatermarkServicer):
    """Has everything of the gateway, and nothing of the others."""

    async def GetWatermark(
        self, request: watermark.GetWatermarkRequest, context: Any
    ) -> watermark.GetWatermarkResponse:
        if current_caller() != "access-gateway":
            return watermark.GetWatermarkResponse()
        committed_at = Timestamp()
        committed_at.FromDatetime(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
        return watermark.GetWatermarkResponse(sequence=42, committed_at=committed_at, log="2026-0")


async def test_the_watermark_of_the_caller() -> None:
    binding = GrpcBinding(
        watermark_grpc.add_WatermarkServicer_to_server,
        Audit(),
        watermark.DESCRIPTOR.services_by_name["Watermark"],
    )
    async with run_servicers("audit", [binding], identities()) as channels_of:
        known = await GrpcWatermarkSource(channels_of("access-gateway")).watermark()
        unknown = await GrpcWatermarkSource(channels_of("consent")).watermark()
    assert known == Watermark(42, datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    assert unknown == Watermark(0, None)
