"""/v1/receipts/{recording}/proof: that a receipt is on record, as a file that verifies offline."""

import base64

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from callward_common.ids import parse_id
from callward_ingest.app.proofs import EventProof, Proofs
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.recordings import SCOPE

#: As audit's own door has it: one file, wherever it was fetched.
PROOF_FORMAT = "callward-audit-proof/1"


class ReceiptProof(BaseModel):
    """Everything needed to check offline that a receipt's event is in the log. A checkpoint has several lines."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True
    )

    format: str = Field(description=f'Always "{PROOF_FORMAT}".')
    log: str
    origin: str
    leaf_index: int
    tree_size: int
    event: str = Field(description="The event's exact text: its UTF-8 bytes are the leaf.")
    inclusion_proof: list[str] = Field(description="Base64 hashes, in the order of RFC 9162 section 2.1.3.")
    checkpoint: str = Field(description="The C2SP signed note that covers the tree size.")


def proofs_router(guard: Guard, proofs: Proofs) -> APIRouter:
    """Gives the route of receipts' proofs; it needs the scope `recordings:write`."""
    router = APIRouter(prefix="/v1", tags=["recordings"], route_class=guarded_route(guard, SCOPE))

    @router.get("/receipts/{recording_id}/proof")
    async def get_receipt_proof(request: Request, recording_id: str) -> ReceiptProof:
        """Proves that the event of a recording's receipt is in the audit log, under the newest signed checkpoint.

        Within seconds after the receipt; until then 404 `proof-not-yet` with Retry-After.
        """
        tenant = principal_of(request).tenant_id
        return _answer(await proofs.of_receipt(tenant, parse_id(recording_id)))

    return router


def _answer(proof: EventProof) -> ReceiptProof:
    return ReceiptProof(
        format=PROOF_FORMAT,
        log=proof.log,
        origin=proof.origin,
        leaf_index=proof.leaf_index,
        tree_size=proof.tree_size,
        event=proof.event,
        inclusion_proof=[base64.b64encode(each).decode() for each in proof.inclusion_proof],
        checkpoint=proof.checkpoint,
    )
