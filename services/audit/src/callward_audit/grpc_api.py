"""Audit's gRPC service: request → app → response."""

from typing import Any

from callward.audit.v1 import watermark_service_pb2, watermark_service_pb2_grpc
from callward_audit.ports import Watermarks
from callward_common.grpc.caller import current_caller


class Watermark(watermark_service_pb2_grpc.WatermarkServicer):
    """Tells a producer how far its events are on record."""

    def __init__(self, watermarks: Watermarks) -> None:
        self._watermarks = watermarks

    async def GetWatermark(
        self, request: watermark_service_pb2.GetWatermarkRequest, context: Any
    ) -> watermark_service_pb2.GetWatermarkResponse:
        """Return the watermark of the calling producer."""
        watermark = await self._watermarks.watermark(current_caller())
        response = watermark_service_pb2.GetWatermarkResponse(sequence=watermark.sequence, log=watermark.log)
        if watermark.committed_at is not None:
            response.committed_at.FromDatetime(watermark.committed_at)
        return response
