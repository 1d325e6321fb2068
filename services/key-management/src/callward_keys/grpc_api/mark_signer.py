"""MarkSigner."""

from typing import Any

from callward.keys.v1 import signing_service_pb2 as pb
from callward.keys.v1 import signing_service_pb2_grpc as pb_grpc
from callward_common.grpc.caller import current_caller
from callward_common.identity import service_actor
from callward_common.ids import parse_id
from callward_keys.app.mark_signing import MarkSigning
from callward_keys.domain.mark_documents import MarkStatement
from callward_keys.grpc_api.convert import moment_of


class MarkSigner(pb_grpc.MarkSignerServicer):
    """Signs control marks of calls."""

    def __init__(self, app: MarkSigning) -> None:
        self._app = app

    async def SignMark(  # noqa: N802 - the name is the proto's
        self, request: pb.SignMarkRequest, context: Any
    ) -> pb.SignMarkResponse:
        """Signs one control mark."""
        signed = await self._app.sign(service_actor(current_caller()), _statement(request))
        return pb.SignMarkResponse(jws=signed.jws, sha256=signed.sha256, signing_key_id=signed.signing_key_id)


def _statement(request: pb.SignMarkRequest) -> MarkStatement:
    return MarkStatement(
        tenant_id=request.tenant_id,
        call_id=parse_id(request.call_id),
        mark_id=parse_id(request.mark_id),
        leg_id=request.leg_id,
        kind=request.kind,
        reason=request.reason,
        at=moment_of(request.at, "at"),
        until=moment_of(request.until, "until") if request.HasField("until") else None,
        received_at=moment_of(request.received_at, "received_at"),
        event_id=parse_id(request.event_id),
    )
