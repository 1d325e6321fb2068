"""What the routes of the door have in common."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse

from callward_common.http.requests import IDEMPOTENCY_KEY, parse_idempotency_key
from callward_ingest.app.once import Answer, Request
from callward_ingest.http.guard import principal_of

REPLAYED = "Idempotent-Replayed"
#: Shows the header in OpenAPI. Its value is read by `parse_idempotency_key`, which refuses a repeated one.
IDEMPOTENCY_PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": IDEMPOTENCY_KEY,
    "description": "Makes a retry harmless: the same key and body give the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def small_request(http: HttpRequest, operation: str, body: BaseModel, *, call_id: str = "") -> Request:
    """Gives the use case's request: who asks, what for, and the body in canonical form."""
    principal = principal_of(http)
    return Request(
        tenant=principal.tenant_id,
        actor=principal.actor,
        operation=operation,
        canonical=f"{call_id}\n{body.model_dump_json()}",
        key=parse_idempotency_key(http),
    )


def respond(answer: Answer, status: int, *, location: str | None = None) -> JSONResponse:
    """Gives the response: a stored answer has the status of the first one and says that it is replayed."""
    headers = {} if location is None else {"Location": location}
    if answer.replayed:
        headers[REPLAYED] = "true"
    return JSONResponse(answer.body, status, headers)
