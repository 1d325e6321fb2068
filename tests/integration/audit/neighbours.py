"""Key-management as a fake servicer behind real mTLS: it signs what grows, as the real one does, and lists its keys."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callward.keys.v1 import signing_service_pb2, signing_service_pb2_grpc
from callward_common.errors import CallwardError, Category
from callward_common.grpc.server import GrpcBinding
from tests.support import rfc9162


class CheckpointConflict(CallwardError):
    """As key-management refuses a history that does not grow out of the last one it signed."""

    category = Category.conflict
    type = "checkpoint-conflict"


class Signer(signing_service_pb2_grpc.CheckpointSignerServicer):
    """The first witness. The note is put together here from C2SP's text, not by Callward's code."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw()
        self.signed: dict[str, tuple[int, bytes, str]] = {}
        self.conflicts = 0
        self.failing: CallwardError | None = None

    async def GetLastCheckpoint(self, request: Any, context: Any) -> Any:
        if self.failing is not None:
            raise self.failing
        size, root, note = self.signed.get(request.origin, (0, b"", ""))
        return signing_service_pb2.GetLastCheckpointResponse(size=size, root=root, note=note)

    async def SignCheckpoint(self, request: Any, context: Any) -> Any:
        if self.failing is not None:
            raise self.failing
        known, known_root, note = self.signed.get(request.origin, (0, b"", ""))
        if (known, known_root) != (request.size, request.root):
            self._demand_growth(known, known_root, request)
            note = self._note(request.origin, request.size, request.root)
            self.signed[request.origin] = (request.size, request.root, note)
        return signing_service_pb2.SignCheckpointResponse(note=note, signing_key_id="key-1")

    def _demand_growth(self, known: int, known_root: bytes, request: Any) -> None:
        proof: Sequence[bytes] = list(request.consistency_proof)
        grows = (
            rfc9162.consistent(known, known_root, request.size, request.root, proof) if known else not proof
        )
        if not grows:
            self.conflicts += 1
            raise CheckpointConflict("The tree does not grow out of the last signed one.")

    def _note(self, origin: str, size: int, root: bytes) -> str:
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        named = hashlib.sha256(origin.encode() + b"\n\x01" + self.public_key).digest()[:4]
        blob = base64.b64encode(named + self._key.sign(text.encode())).decode()
        return f"{text}\n— {origin} {blob}\n"


class Directory(signing_service_pb2_grpc.SigningKeyDirectoryServicer):
    """Public keys, two a page."""

    def __init__(self) -> None:
        self.keys = [(f"key-{number}", bytes([number]) * 32) for number in range(1, 6)]
        self.asked = 0

    async def ListSigningKeys(self, request: Any, context: Any) -> Any:
        self.asked += 1
        start = int(request.page_token or 0)
        response = signing_service_pb2.ListSigningKeysResponse()
        for key_id, public in self.keys[start : start + 2]:
            response.keys.add(key_id=key_id, document_type="receipt", public_key=public)
        if start + 2 < len(self.keys):
            response.next_page_token = str(start + 2)
        return response


def bindings(signer: Signer, directory: Directory) -> list[GrpcBinding]:
    """Both services of key-management that audit calls."""
    services = signing_service_pb2.DESCRIPTOR.services_by_name
    return [
        GrpcBinding(
            signing_service_pb2_grpc.add_CheckpointSignerServicer_to_server,
            signer,
            services["CheckpointSigner"],
        ),
        GrpcBinding(
            signing_service_pb2_grpc.add_SigningKeyDirectoryServicer_to_server,
            directory,
            services["SigningKeyDirectory"],
        ),
    ]
