"""Signing by key-management over gRPC."""

import hashlib
from collections.abc import Sequence

from callward.keys.v1 import signing_service_pb2 as signing_pb2
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward_common.errors import InternalError
from callward_common.grpc.client import Channels
from callward_ingest.domain.keys import PublicKey, Receipt, ReceiptStatement
from callward_ingest.neighbours.errors import translated
from callward_ingest.neighbours.keys import CALLEE
from callward_ingest.translate import to_timestamp

_PAGE = 100
_MOST_PAGES = 100


class GrpcSigner:
    """Receipts over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def sign_receipt(self, tenant: str, statement: ReceiptStatement) -> Receipt:
        """Returns the signed receipt, whose hash is checked: it goes on record under it."""
        stub: signing_grpc.ReceiptSignerAsyncStub = signing_grpc.ReceiptSignerStub(
            self._channels.channel(CALLEE)
        )
        with translated(CALLEE):
            answer = await stub.SignReceipt(_request(tenant, statement))
        if hashlib.sha256(answer.jws.encode()).digest() != answer.sha256:
            raise InternalError("key-management gave a receipt that does not have the hash it states.")
        return Receipt(answer.jws, answer.sha256)


class GrpcSigningKeys:
    """The directory of public signing keys over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    async def list_keys(self) -> Sequence[PublicKey]:
        """Returns every public signing key, newest first; at most 10,000."""
        stub: signing_grpc.SigningKeyDirectoryAsyncStub = signing_grpc.SigningKeyDirectoryStub(
            self._channels.channel(CALLEE)
        )
        found: list[PublicKey] = []
        token = ""
        for _ in range(_MOST_PAGES):
            request = signing_pb2.ListSigningKeysRequest(page_size=_PAGE, page_token=token)
            with translated(CALLEE):
                page = await stub.ListSigningKeys(request)
            found.extend(PublicKey(key.key_id, key.document_type, key.public_key) for key in page.keys)
            token = page.next_page_token
            if not token:
                return found
        raise InternalError("key-management lists more signing keys than there can be.")


def _request(tenant: str, statement: ReceiptStatement) -> signing_pb2.SignReceiptRequest:
    deciding = statement.decision.deciding
    return signing_pb2.SignReceiptRequest(
        tenant_id=tenant,
        recording_id=statement.recording_id,
        call_id=statement.call_id,
        state=statement.state,
        reasons=statement.reasons,
        manifest_sha256=statement.manifest_sha256,
        key_id=statement.key_id,
        consent=signing_pb2.ReceiptConsent(
            decision_id=statement.decision.decision_id,
            outcome=statement.decision.outcome.value,
            rule=deciding.engine_rule if deciding else "",
            citation=deciding.statute if deciding else "",
            rules_version=statement.decision.rules_version,
        ),
        retention=signing_pb2.ReceiptRetention(
            retention_class=statement.plan.retention_class,
            retain_until=to_timestamp(statement.plan.retain_until),
            delete_after=to_timestamp(statement.plan.delete_after),
            citation=statement.plan.citation,
            policy_version=statement.plan.policy_version,
        ),
        event_id=statement.event_id,
        sender_commitment=statement.sender_commitment,
        sealed_at=to_timestamp(statement.sealed_at),
    )
