"""How far a producer's events are on record in audit (callward/audit/v1/watermark_service.proto)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import grpc.aio

from callward.audit.v1 import watermark_service_pb2, watermark_service_pb2_grpc


@dataclass(frozen=True, slots=True)
class Watermark:
    """Every event of the producer with a sequence up to this one is durably in the log; 0 when none is."""

    sequence: int
    committed_at: datetime | None


class WatermarkSource(Protocol):
    """Tells this producer's watermark."""

    async def watermark(self) -> Watermark:
        """Returns the watermark of the calling producer. Raises when audit does not answer."""


class HasChannels(Protocol):
    """Gives gRPC channels to components, by name."""

    def channel(self, component: str) -> grpc.aio.Channel:
        """Returns the channel to a component."""


class GrpcWatermarkSource:
    """Asks audit over gRPC. The producer is who the certificate says."""

    def __init__(self, channels: HasChannels, *, timeout: float = 2.0) -> None:
        """`timeout`: seconds that audit has to answer."""
        self._channels = channels
        self._timeout = timeout

    async def watermark(self) -> Watermark:
        """Returns what audit says now."""
        stub = watermark_service_pb2_grpc.WatermarkStub(self._channels.channel("audit"))
        answer = await stub.GetWatermark(watermark_service_pb2.GetWatermarkRequest(), timeout=self._timeout)
        committed_at = answer.committed_at.ToDatetime(UTC) if answer.HasField("committed_at") else None
        return Watermark(answer.sequence, committed_at)
