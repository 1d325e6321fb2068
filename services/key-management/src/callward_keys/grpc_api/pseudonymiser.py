"""Pseudonymiser."""

from typing import Any

from callward.keys.v1 import pseudonymiser_service_pb2 as pb
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pb_grpc
from callward_common.errors import InvalidRequest
from callward_keys.app.pseudonyms import Pseudonymising
from callward_keys.domain.pseudonyms import IdentifierKind

_KINDS = {
    pb.IDENTIFIER_KIND_TELEPHONE: IdentifierKind.telephone,
    pb.IDENTIFIER_KIND_PATIENT: IdentifierKind.patient,
    pb.IDENTIFIER_KIND_EXTERNAL_REFERENCE: IdentifierKind.external_reference,
}


class Pseudonymiser(pb_grpc.PseudonymiserServicer):
    """Gives keyed pseudonyms and fingerprint keys."""

    def __init__(self, app: Pseudonymising) -> None:
        self._app = app

    async def Pseudonymise(  # noqa: N802 - the name is the proto's
        self, request: pb.PseudonymiseRequest, context: Any
    ) -> pb.PseudonymiseResponse:
        """Returns a pseudonym for each value, in order."""
        kind = _KINDS.get(request.kind)
        if kind is None:
            raise InvalidRequest("kind is not stated or not known.")
        made = await self._app.pseudonymise(request.tenant_id, request.quarter, kind, request.values)
        return pb.PseudonymiseResponse(pseudonyms=made)

    async def GetFingerprintKey(  # noqa: N802
        self, request: pb.GetFingerprintKeyRequest, context: Any
    ) -> pb.GetFingerprintKeyResponse:
        """Returns a tenant's fingerprint key of a day."""
        return pb.GetFingerprintKeyResponse(
            key=await self._app.fingerprint_key(request.tenant_id, request.date)
        )
