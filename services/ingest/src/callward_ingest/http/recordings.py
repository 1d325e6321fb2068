"""/v1/recordings and /v1/receipts: one body in, one receipt out."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.clock import Clock
from callward_common.http.requests import IDEMPOTENCY_KEY, parse_idempotency_key
from callward_common.ids import parse_id
from callward_ingest.app.reading import Reading
from callward_ingest.app.upload import NewUpload
from callward_ingest.app.uploads import Uploads
from callward_ingest.domain.errors import IdempotencyKeyRequired
from callward_ingest.domain.media_types import TAKEN
from callward_ingest.http import answers
from callward_ingest.http.body import Body, demand_known_expectation, demand_media, demand_size
from callward_ingest.http.clocks import LegQuery, StartedAtQuery
from callward_ingest.http.digests import CONTENT_DIGEST, REPR_DIGEST, stated_digests
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import respond

SCOPE = "recordings:write"


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of a recording's body: bytes, seconds, bytes a second."""

    max_bytes: int
    idle_timeout: float
    min_rate: int


def recordings_router(
    guard: Guard, uploads: Uploads, reading: Reading, clock: Clock, limits: BodyLimits
) -> APIRouter:
    """Gives the routes of recordings and receipts; every one needs the scope `recordings:write`."""
    router = APIRouter(prefix="/v1", tags=["recordings"], route_class=guarded_route(guard, SCOPE))

    @router.post(
        "/recordings", status_code=201, response_model=answers.RecordingTaken, openapi_extra=_openapi(limits)
    )
    async def create_recording(
        request: Request,
        call: Annotated[str, Query(description="The id of the call that was recorded.")],
        leg: LegQuery = None,
        started_at: StartedAtQuery = None,
    ) -> JSONResponse:
        """Takes one recording in: encrypted while it arrives, measured, durable and on record before the answer.

        Without a lawful basis it is refused before its first byte. What is empty, unreadable or no audio at all is
        kept all the same, and answered with the state `quarantined` and the reasons.
        """
        upload = replace(_upload(request, parse_id(call), limits), leg=leg, started_at=started_at)
        body = Body(request, clock, idle_timeout=limits.idle_timeout, min_rate=limits.min_rate)
        answer = await uploads.receive(upload, body)
        return respond(answer, 201, location=f"/v1/recordings/{answer.body['recordingId']}")

    @router.get("/recordings/{recording_id}", response_model=answers.RecordingAnswer)
    async def get_recording(request: Request, recording_id: str) -> JSONResponse:
        """Shows the state of a recording, the reasons for it, and its receipt."""
        tenant = principal_of(request).tenant_id
        return JSONResponse(await reading.recording(tenant, parse_id(recording_id)))

    @router.get("/receipts/{recording_id}", response_model=answers.ReceiptAnswer)
    async def get_receipt(request: Request, recording_id: str) -> JSONResponse:
        """Gives the receipt of a recording."""
        recording_id = parse_id(recording_id)
        receipt = await reading.receipt(principal_of(request).tenant_id, recording_id)
        return JSONResponse({"recordingId": recording_id, "receipt": receipt})

    return router


def _upload(request: Request, call_id: str, limits: BodyLimits) -> NewUpload:
    """Reads all that stands before the body. Nothing of the body itself has been asked for yet."""
    demand_known_expectation(request)
    media_type = demand_media(request)
    key = parse_idempotency_key(request)
    if key is None:
        raise IdempotencyKeyRequired(
            "An upload needs an Idempotency-Key, so that a retry makes no second recording."
        )
    stated = stated_digests(request)
    demand_size(request, limits.max_bytes)
    principal = principal_of(request)
    return NewUpload(principal.tenant_id, principal.actor, call_id, media_type, stated, key)


def _openapi(limits: BodyLimits) -> dict[str, Any]:
    def header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
        schema = {"type": "string"}
        return {
            "in": "header",
            "name": name,
            "required": required,
            "description": description,
            "schema": schema,
        }

    digest = "The body's digest as `sha-256=:…:` (RFC 9530); another body is refused."
    return {
        "parameters": [
            header(IDEMPOTENCY_KEY, "The same key and body give the same answer.", required=True),
            header(CONTENT_DIGEST, digest),
            header(REPR_DIGEST, f"{digest} The receipt then commits to it."),
        ],
        "requestBody": {
            "required": True,
            "description": f"One recording, as it is; at most {limits.max_bytes} bytes.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TAKEN},
        },
    }
