"""The neighbour audit calls: key-management, which signs checkpoints and is the log's first witness."""

from collections.abc import Sequence

from callward.keys.v1 import signing_service_pb2, signing_service_pb2_grpc
from callward_common.grpc.client import Channels


class KeyManagementSigner:
    """Has checkpoints signed by key-management."""

    def __init__(self, channels: Channels) -> None:
        self._stub = signing_service_pb2_grpc.CheckpointSignerStub(channels.channel("key-management"))

    async def last(self, origin: str) -> tuple[int, bytes]:
        """Return size and root of the last checkpoint signed for an origin; size 0 when there is none."""
        response = await self._stub.GetLastCheckpoint(
            signing_service_pb2.GetLastCheckpointRequest(origin=origin)
        )
        return response.size, response.root

    async def sign(self, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> str:
        """Return the signed note. Raises when the proof does not show that the tree only grew."""
        request = signing_service_pb2.SignCheckpointRequest(
            origin=origin, size=size, root=root, consistency_proof=proof
        )
        response = await self._stub.SignCheckpoint(request)
        return str(response.note)
