"""Signing of control marks by key-management over gRPC."""

import hashlib

from callward.keys.v1 import signing_service_pb2 as signing_pb2
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward_common.errors import InternalError
from callward_common.grpc.client import Channels
from callward_ingest.domain.marks import MarkStatement, SignedMark
from callward_ingest.neighbours.errors import translated
from callward_ingest.neighbours.keys import CALLEE
from callward_ingest.translate import to_timestamp


class GrpcMarkSigner:
    """Signed marks over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def sign_mark(self, tenant: str, statement: MarkStatement) -> SignedMark:
        """Returns the signed mark, whose hash is checked: it goes on record under it."""
        stub: signing_grpc.MarkSignerAsyncStub = signing_grpc.MarkSignerStub(self._channels.channel(CALLEE))
        with translated(CALLEE):
            answer = await stub.SignMark(_request(tenant, statement))
        if hashlib.sha256(answer.jws.encode()).digest() != answer.sha256:
            raise InternalError("key-management gave a mark that does not have the hash it states.")
        return SignedMark(answer.jws, answer.sha256)


def _request(tenant: str, statement: MarkStatement) -> signing_pb2.SignMarkRequest:
    stated = statement.stated
    return signing_pb2.SignMarkRequest(
        tenant_id=tenant,
        call_id=statement.call_id,
        mark_id=statement.mark_id,
        leg_id=stated.leg_id or "",
        kind=stated.kind.value,
        reason=stated.reason,
        at=to_timestamp(stated.at),
        until=None if stated.until is None else to_timestamp(stated.until),
        received_at=to_timestamp(statement.received_at),
        event_id=statement.event_id,
    )
