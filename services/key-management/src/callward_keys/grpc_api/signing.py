"""ReceiptSigner, CheckpointSigner and SigningKeyDirectory."""

from typing import Any

from callward.keys.v1 import signing_service_pb2 as pb
from callward.keys.v1 import signing_service_pb2_grpc as pb_grpc
from callward_common.grpc.caller import current_caller
from callward_common.identity import service_actor
from callward_common.ids import parse_id
from callward_keys.app.keyring import SigningKeyring
from callward_keys.app.signing import CheckpointSigning, ReceiptSigning
from callward_keys.domain.checkpoints import Checkpoint
from callward_keys.domain.documents import ReceiptBasis, ReceiptPlan, ReceiptStatement
from callward_keys.domain.policy import demand_sha256
from callward_keys.events import to_timestamp
from callward_keys.grpc_api.convert import moment_of


class ReceiptSigner(pb_grpc.ReceiptSignerServicer):
    """Signs receipts of recordings."""

    def __init__(self, app: ReceiptSigning) -> None:
        self._app = app

    async def SignReceipt(  # noqa: N802 - the name is the proto's
        self, request: pb.SignReceiptRequest, context: Any
    ) -> pb.SignReceiptResponse:
        """Signs the receipt of one sealed or quarantined recording."""
        signed = await self._app.sign(service_actor(current_caller()), _statement(request))
        return pb.SignReceiptResponse(
            jws=signed.jws, sha256=signed.sha256, signing_key_id=signed.signing_key_id
        )


class CheckpointSigner(pb_grpc.CheckpointSignerServicer):
    """Signs checkpoints of the audit log."""

    def __init__(self, app: CheckpointSigning) -> None:
        self._app = app

    async def SignCheckpoint(  # noqa: N802
        self, request: pb.SignCheckpointRequest, context: Any
    ) -> pb.SignCheckpointResponse:
        """Signs a checkpoint that grows out of the last one."""
        wanted = Checkpoint(request.origin, request.size, request.root)
        signed = await self._app.sign(wanted, list(request.consistency_proof))
        return pb.SignCheckpointResponse(note=signed.note, signing_key_id=signed.signing_key_id)

    async def GetLastCheckpoint(  # noqa: N802
        self, request: pb.GetLastCheckpointRequest, context: Any
    ) -> pb.GetLastCheckpointResponse:
        """Returns the last signed checkpoint of an origin."""
        last = await self._app.last(request.origin)
        if last is None:
            return pb.GetLastCheckpointResponse()
        return pb.GetLastCheckpointResponse(
            size=last.checkpoint.size, root=last.checkpoint.root, note=last.note
        )


class SigningKeyDirectory(pb_grpc.SigningKeyDirectoryServicer):
    """The public halves of all signing keys."""

    def __init__(self, keyring: SigningKeyring) -> None:
        self._keyring = keyring

    async def ListSigningKeys(  # noqa: N802
        self, request: pb.ListSigningKeysRequest, context: Any
    ) -> pb.ListSigningKeysResponse:
        """Lists public keys, newest first."""
        keys, token = await self._keyring.page(request.page_size, request.page_token)
        return pb.ListSigningKeysResponse(
            keys=[
                pb.SigningKey(
                    key_id=key.key_id,
                    document_type=key.document_type.value,
                    public_key=key.public_key,
                    created_at=to_timestamp(key.created_at),
                )
                for key in keys
            ],
            next_page_token=token,
        )


def _statement(request: pb.SignReceiptRequest) -> ReceiptStatement:
    consent, retention = request.consent, request.retention
    return ReceiptStatement(
        tenant_id=request.tenant_id,
        recording_id=parse_id(request.recording_id),
        call_id=parse_id(request.call_id),
        state=request.state,
        reasons=tuple(request.reasons),
        manifest_sha256=demand_sha256(request.manifest_sha256, "manifest_sha256"),
        key_id=parse_id(request.key_id),
        basis=ReceiptBasis(
            decision_id=consent.decision_id,
            outcome=consent.outcome,
            rule=consent.rule,
            citation=consent.citation,
            rules_version=consent.rules_version,
        ),
        plan=ReceiptPlan(
            retention_class=retention.retention_class,
            retain_until=moment_of(retention.retain_until, "retain_until"),
            delete_after=moment_of(retention.delete_after, "delete_after"),
            citation=retention.citation,
            policy_version=retention.policy_version,
        ),
        event_id=parse_id(request.event_id),
        sender_commitment=request.sender_commitment,
        sealed_at=moment_of(request.sealed_at, "sealed_at"),
    )
