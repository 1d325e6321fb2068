"""Turns whatever goes wrong in a door into problem documents (RFC 9457) that echo no input."""

import logging
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from callward_common import errors
from callward_common.errors import CallwardError, JsonValue, to_problem

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
#: The schema of a problem document in OpenAPI.
PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "A problem (RFC 9457).",
    "content": {
        MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "request_id"],
                "properties": {
                    "type": {"type": "string", "examples": ["urn:callward:problem:invalid-request"]},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "request_id": {"type": "string"},
                },
            }
        }
    },
}
_MOST_ERRORS = 50
# The beginnings of pydantic's error types whose messages state the rule and never the value.
_STATED = (
    *(
        "missing",
        "refused",
        "string_t",
        "string_p",
        "int_",
        "float_",
        "bool_",
        "list_type",
        "dict_type",
        "model_",
    ),
    *(
        "too_long",
        "too_short",
        "greater_than",
        "less_than",
        "enum",
        "literal_error",
        "datetime_",
        "timezone_",
    ),
    "finite_number",
)
_FROM_HTTP: dict[int, type[CallwardError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    503: errors.Unavailable,
}


def problem_response(error: CallwardError, request_id: str) -> JSONResponse:
    """Gives the response for an error, with the headers that belong to it."""
    body = to_problem(error, request_id)
    return JSONResponse(body, error.http_status, dict(error.http_headers), MEDIA_TYPE)


def _request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


def _from_http(error: HTTPException) -> CallwardError:
    kind = _FROM_HTTP.get(error.status_code)
    if kind is None:
        kind = (
            errors.InvalidRequest
            if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
            else errors.InternalError
        )
    return kind(f"{HTTPStatus(error.status_code).phrase}.")


def _message(problem: dict[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        return "A field is given that is not known here."
    if problem["type"] == "json_invalid":
        return "The body is not valid JSON."
    return str(problem["msg"]) if problem["type"].startswith(_STATED) else "The value is not valid."


def _pointer(parts: Sequence[str | int], declared: Collection[str]) -> str:
    # A key of a map comes from the request: only declared names and positions are shown (RFC 6901).
    shown = (str(part) if isinstance(part, int) or part in declared else "*" for part in parts)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in shown)


def _declared_names(app: FastAPI) -> frozenset[str]:
    schemas = app.openapi().get("components", {}).get("schemas", {})
    return frozenset(name for schema in schemas.values() for name in schema.get("properties", {}))


def _from_validation(error: RequestValidationError, request: Request) -> CallwardError:
    problems = error.errors()
    whole_body = any(p["loc"] == ("body",) and p["type"] != "missing" for p in problems)
    if whole_body and "json" not in request.headers.get("content-type", "").lower():
        return errors.UnsupportedMediaType("The body has to be application/json.")
    declared, listed = _declared_names(request.app), list[JsonValue]()
    for problem in problems[:_MOST_ERRORS]:
        source, *parts = problem["loc"]
        if problem["type"] in ("extra_forbidden", "json_invalid"):
            parts = parts[:-1]
        pointer = _pointer(parts, declared) if source == "body" else f"/{parts[0]}" if parts else ""
        listed.append({"in": str(source), "pointer": pointer, "message": _message(problem)})
    return errors.InvalidRequest("The request does not have the stated form.", extra={"errors": listed})


def unexpected(error: Exception) -> CallwardError:
    """Logs a fault of our own and gives the error to answer with."""
    _log.error("an HTTP request failed unexpectedly", exc_info=error)
    return errors.InternalError("The request failed for a reason that is in the log.")


def install(app: FastAPI) -> None:
    """Makes `app` answer every failure with a problem document."""

    async def callward(request: Request, error: Exception) -> Response:
        known = error if isinstance(error, CallwardError) else unexpected(error)
        return problem_response(known, _request_id(request))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = problem_response(_from_http(error), _request_id(request))
        response.headers.update(error.headers or {})
        return response

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(_from_validation(error, request), _request_id(request))

    app.add_exception_handler(CallwardError, callward)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
