"""Proofs of audit over gRPC."""

from callward.audit.v1 import proof_reader_service_pb2 as proof_pb2
from callward.audit.v1 import proof_reader_service_pb2_grpc as proof_grpc
from callward_common.errors import CallwardError, InternalError
from callward_common.grpc.client import Channels
from callward_ingest.app.proofs import EventProof
from callward_ingest.neighbours.errors import translated

_CALLEE = "audit"
#: What audit says of an event that is still on its way to it, of the first event of a log, and of one that waits for
#: its checkpoint.
_NOT_YET = frozenset({"event-not-found", "log-not-found", "not-yet-covered"})


class GrpcEventProofs:
    """Proofs over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def prove(self, tenant: str, event_id: str) -> EventProof | None:
        """Returns the proof of an event; None while no checkpoint covers it."""
        stub: proof_grpc.ProofReaderAsyncStub = proof_grpc.ProofReaderStub(self._channels.channel(_CALLEE))
        request = proof_pb2.GetEventProofRequest(tenant_id=tenant, event_id=event_id)
        with translated(_CALLEE):
            try:
                answer = await stub.GetEventProof(request)
            except CallwardError as error:
                if error.type in _NOT_YET:
                    return None
                raise
        return _proof(answer)


def _proof(answer: proof_pb2.GetEventProofResponse) -> EventProof:
    try:
        event = answer.leaf.decode()
    except UnicodeDecodeError:
        raise InternalError("audit gave an event that is no text.") from None
    return EventProof(
        log=answer.log,
        origin=answer.origin,
        leaf_index=answer.leaf_index,
        tree_size=answer.tree_size,
        event=event,
        inclusion_proof=tuple(answer.inclusion_proof),
        checkpoint=answer.checkpoint,
    )
