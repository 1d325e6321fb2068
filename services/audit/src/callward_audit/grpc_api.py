"""Audit's gRPC services: request → app → response."""

from typing import Any

from callward.audit.v1 import (
    proof_reader_service_pb2,
    proof_reader_service_pb2_grpc,
    watermark_service_pb2,
    watermark_service_pb2_grpc,
)
from callward_audit.app.reading import ReadingApp
from callward_audit.domain.names import origin
from callward_audit.ports import Watermarks
from callward_common.errors import InvalidRequest
from callward_common.grpc.caller import current_caller
from callward_common.ids import parse_id


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


class ProofReader(proof_reader_service_pb2_grpc.ProofReaderServicer):
    """Proves to a producer that its events are on record."""

    def __init__(self, app: ReadingApp, *, host: str) -> None:
        self._app = app
        self._host = host

    async def GetEventProof(
        self, request: proof_reader_service_pb2.GetEventProofRequest, context: Any
    ) -> proof_reader_service_pb2.GetEventProofResponse:
        """Return the proof of an event of the calling producer. Raises EventNotFound or NotYetCovered."""
        if not request.tenant_id:
            # Leaves of no tenant are delivered to nobody.
            raise InvalidRequest("the tenant is missing")
        event_id = parse_id(request.event_id)
        proof = await self._app.prove_event(request.tenant_id, event_id, producer=current_caller())
        checkpoint = proof.checkpoint
        return proof_reader_service_pb2.GetEventProofResponse(
            log=checkpoint.log,
            origin=origin(self._host, checkpoint.log),
            leaf_index=proof.leaf.index,
            tree_size=checkpoint.size,
            leaf=proof.leaf.body,
            inclusion_proof=proof.hashes,
            checkpoint=checkpoint.note,
        )
