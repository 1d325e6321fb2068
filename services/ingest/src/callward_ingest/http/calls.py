"""/v1/calls: may this call be recorded? Evidence, revocations, the end."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.errors import InvalidRequest
from callward_common.ids import parse_id
from callward_ingest.app.calls import Calls
from callward_ingest.app.reading import Reading
from callward_ingest.http import answers
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, respond, small_request
from callward_ingest.http.schemas import EndCallBody, EvidenceBody, OpenCallBody, RevocationBody

SCOPE = "calls:write"
_RETRY = {"parameters": [IDEMPOTENCY_PARAMETER]}


def calls_router(
    guard: Guard, calls: Calls, reading: Reading, *, max_parties: int, max_notes: int
) -> APIRouter:
    """Gives the routes of calls; every one needs the scope `calls:write`."""
    router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=guarded_route(guard, SCOPE))

    @router.post("", status_code=201, response_model=answers.CallOpened, openapi_extra=_RETRY)
    async def open_call(request: Request, body: OpenCallBody) -> JSONResponse:
        """Takes a call down, seals what identifies people, and says whether it may be recorded, by which rule."""
        _demand_limits(body, max_parties, max_notes)
        answer = await calls.open(small_request(request, "calls.open", body), body.to_domain())
        return respond(answer, 201, location=f"/v1/calls/{answer.body['callId']}")

    @router.post(
        "/{call_id}/evidence", status_code=201, response_model=answers.EvidenceTaken, openapi_extra=_RETRY
    )
    async def add_evidence(request: Request, call_id: str, body: EvidenceBody) -> JSONResponse:
        """Takes down how a party consented, or that the recording was announced, and decides anew."""
        call_id = parse_id(call_id)
        stated = small_request(request, "calls.evidence", body, call_id=call_id)
        return respond(await calls.add_evidence(stated, call_id, body.to_domain()), 201)

    @router.post(
        "/{call_id}/revocations", status_code=201, response_model=answers.ConsentRevoked, openapi_extra=_RETRY
    )
    async def revoke_consent(request: Request, call_id: str, body: RevocationBody) -> JSONResponse:
        """Takes down that a party takes its consent back, and decides anew."""
        call_id = parse_id(call_id)
        stated = small_request(request, "calls.revoke", body, call_id=call_id)
        return respond(await calls.revoke(stated, call_id, body.party_id, body.revoked_at), 201)

    @router.post("/{call_id}/end", response_model=answers.CallEnded, openapi_extra=_RETRY)
    async def end_call(request: Request, call_id: str, body: EndCallBody) -> JSONResponse:
        """Takes down when the call ended, once: retention counts from it. Another moment is a conflict."""
        call_id = parse_id(call_id)
        stated = small_request(request, "calls.end", body, call_id=call_id)
        return respond(await calls.end(stated, call_id, body.ended_at), 200)

    _add_reading(router, reading)
    return router


def _add_reading(router: APIRouter, reading: Reading) -> None:
    @router.get("/{call_id}", response_model=answers.CallAnswer)
    async def get_call(request: Request, call_id: str) -> JSONResponse:
        """Shows a call without any identifying field, with a fresh decision."""
        tenant = principal_of(request).tenant_id
        return JSONResponse(await reading.call(tenant, parse_id(call_id)))


def _demand_limits(body: OpenCallBody, max_parties: int, max_notes: int) -> None:
    if len(body.parties) > max_parties:
        raise _over_limit("/parties", f"There may be at most {max_parties} parties.")
    if body.notes is not None and len(body.notes) > max_notes:
        raise _over_limit("/notes", f"Notes may have at most {max_notes} characters.")


def _over_limit(pointer: str, message: str) -> InvalidRequest:
    errors = [{"in": "body", "pointer": pointer, "message": message}]
    return InvalidRequest("The request does not have the stated form.", extra={"errors": errors})
