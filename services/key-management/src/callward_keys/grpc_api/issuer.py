"""DataKeyIssuer."""

from collections.abc import Sequence
from typing import Any

from callward.keys.v1 import data_key_issuer_service_pb2 as pb
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as pb_grpc
from callward.keys.v1 import data_key_pb2
from callward_common.grpc.caller import current_caller
from callward_common.identity import service_actor
from callward_keys.app.issuing import Issue, Issuing
from callward_keys.domain.model import BucketGroup, Subkey
from callward_keys.events import to_timestamp
from callward_keys.grpc_api.convert import moment_of, subject_of, subkeys_of

_METADATA = "metadata"


class DataKeyIssuer(pb_grpc.DataKeyIssuerServicer):
    """Issues the key of a new recording or call and seals it."""

    def __init__(self, app: Issuing) -> None:
        self._app = app

    async def IssueDataKey(  # noqa: N802 - the name is the proto's
        self, request: pb.IssueDataKeyRequest, context: Any
    ) -> pb.IssueDataKeyResponse:
        """Makes a data key and returns the subkeys asked for."""
        wanted = Issue(
            subject=subject_of(request.tenant_id, request.subject_kind, request.subject_id),
            group=BucketGroup(request.retention_class, request.expiry_month),
            not_before=moment_of(request.not_before, "not_before"),
            upload_secret_sha256=request.upload_secret_sha256,
            subkeys=subkeys_of(request.subkeys),
        )
        issued = await self._app.issue(service_actor(current_caller()), wanted)
        return pb.IssueDataKeyResponse(
            key_id=issued.key_id,
            commitment=issued.commitment,
            subkeys=_subkeys(issued.subkeys),
            open_until=to_timestamp(issued.open_until),
        )

    async def ReissueDataKey(  # noqa: N802
        self, request: pb.ReissueDataKeyRequest, context: Any
    ) -> pb.ReissueDataKeyResponse:
        """Returns the subkeys again while the key is open."""
        issued = await self._app.reissue(
            service_actor(current_caller()),
            subject_of(request.tenant_id, request.subject_kind, request.subject_id),
            request.upload_secret,
            subkeys_of(request.subkeys),
        )
        return pb.ReissueDataKeyResponse(
            key_id=issued.key_id,
            commitment=issued.commitment,
            subkeys=_subkeys(issued.subkeys),
            open_until=to_timestamp(issued.open_until),
        )

    async def SealDataKey(  # noqa: N802
        self, request: pb.SealDataKeyRequest, context: Any
    ) -> pb.SealDataKeyResponse:
        """Registers the manifest and closes the key to ingest."""
        key_id, sealed_at = await self._app.seal(
            service_actor(current_caller()),
            subject_of(request.tenant_id, request.subject_kind, request.subject_id),
            request.upload_secret,
            request.manifest_sha256,
        )
        return pb.SealDataKeyResponse(key_id=key_id, sealed_at=to_timestamp(sealed_at))

    async def AbandonDataKey(  # noqa: N802
        self, request: pb.AbandonDataKeyRequest, context: Any
    ) -> pb.AbandonDataKeyResponse:
        """Marks an open key for destruction."""
        key_id = await self._app.abandon(
            service_actor(current_caller()),
            subject_of(request.tenant_id, request.subject_kind, request.subject_id),
            request.upload_secret,
            request.reason,
        )
        return pb.AbandonDataKeyResponse(key_id=key_id)


def _subkeys(subkeys: Sequence[Subkey]) -> list[data_key_pb2.Subkey]:
    return [
        data_key_pb2.Subkey(
            name=_METADATA if subkey.rendition is None else subkey.rendition,
            metadata=subkey.rendition is None,
            key=subkey.key,
        )
        for subkey in subkeys
    ]
