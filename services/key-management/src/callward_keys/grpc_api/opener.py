"""DataKeyOpener."""

from typing import Any

from callward.keys.v1 import data_key_opener_service_pb2 as pb
from callward.keys.v1 import data_key_opener_service_pb2_grpc as pb_grpc
from callward_common.errors import InvalidRequest
from callward_common.ids import parse_id
from callward_keys.app.opening import Opening, Openings
from callward_keys.events import to_timestamp
from callward_keys.grpc_api.convert import subject_of


class DataKeyOpener(pb_grpc.DataKeyOpenerServicer):
    """Opens sealed keys for people, one subkey at a time."""

    def __init__(self, app: Openings) -> None:
        self._app = app

    async def OpenDataKey(  # noqa: N802 - the name is the proto's
        self, request: pb.OpenDataKeyRequest, context: Any
    ) -> pb.OpenDataKeyResponse:
        """Returns one subkey as a lease, once KeyOpened is committed."""
        lease = await self._app.open(
            Opening(
                subject=subject_of(request.tenant_id, request.subject_kind, request.subject_id),
                person_token=request.person_token,
                rendition=_rendition(request),
                purpose=request.purpose,
                grant_event_id=parse_id(request.grant_event_id),
            )
        )
        return pb.OpenDataKeyResponse(
            key_id=lease.key_id,
            subkey=lease.subkey,
            manifest_sha256=lease.manifest_sha256,
            lease_expires_at=to_timestamp(lease.expires_at),
            event_id=lease.event_id,
        )


def _rendition(request: pb.OpenDataKeyRequest) -> str | None:
    match request.WhichOneof("subkey"):
        case "rendition":
            return request.rendition
        case "metadata" if request.metadata:
            return None
    raise InvalidRequest("It is not stated which subkey is wanted.")
