"""A door's application: problem documents that echo nothing, limits, headers, streams."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from callward_common.errors import Conflict, Unavailable
from callward_common.http.app import create_app
from callward_common.http.model import Code, LongText, ShortText, StrictModel, Timestamp, refusal
from callward_common.http.requests import bearer, parse_idempotency_key
from callward_common.ids import parse_id
from callward_common.telemetry.logging import configure_logging
from tests.support.clock import ManualClock

PLANTED = "planted Mary Major 555-0100"


class Party(StrictModel):
    name: ShortText
    code: Code = "x"


class Call(StrictModel):
    started_at: Timestamp
    parties: list[Party] = []
    labels: dict[str, int] = {}
    note: LongText | None = None


router = APIRouter()


@router.post("/v1/calls")
async def post_call(call: Call) -> Call:
    return call


@router.get("/v1/calls/{call_id}")
async def get_call(call_id: str, limit: int = 10) -> dict[str, int]:
    parse_id(call_id)
    return {"limit": limit}


@router.get("/v1/fail/{kind}")
async def fail(kind: str) -> None:
    if kind == "conflict":
        raise Conflict("It is taken.", extra={"hint": "another"})
    if kind == "unavailable":
        raise Unavailable("Not now.", retry_after=2)
    raise RuntimeError(PLANTED)


@router.get("/v1/broken")
async def broken() -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError(PLANTED)

    return StreamingResponse(body())


@router.post("/v1/audio")
async def audio(request: Request) -> dict[str, Any]:
    first, size = None, 0
    async for chunk in request.stream():
        first = first or bytes(chunk)
        size += len(chunk)
    key = parse_idempotency_key(request)
    return {"first": len(first or b""), "size": size, "key": key, "bearer": bearer(request)}


APP = create_app(
    component="ingest",
    routers=[router],
    title="Sample",
    description="A sample.",
    clock=ManualClock(),
    max_json_bytes=1000,
)


def call(method: str, path: str, **options: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app=APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return await client.request(method, path, **options)

    return asyncio.run(run())


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert (body["type"], body["status"]) == (f"urn:callward:problem:{slug}", status)
    assert body["request_id"] == response.headers["x-request-id"]
    assert "planted" not in response.text
    assert "Major" not in response.text
    return body


def test_a_valid_body_comes_back_in_camel_case_and_utc() -> None:
    body = {"startedAt": "2026-11-24T10:00:00+01:00", "parties": [{"name": "Zoë"}]}
    assert call("POST", "/v1/calls", json=body).json() == {
        "startedAt": "2026-11-24T09:00:00Z",
        "parties": [{"name": "Zoë", "code": "x"}],
        "labels": {},
        "note": None,
    }


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/startedAt"]),
        ([PLANTED], [""]),
        ({"startedAt": PLANTED}, ["/startedAt"]),
        ({"startedAt": 1700000000}, ["/startedAt"]),
        ({"startedAt": "2026-11-24"}, ["/startedAt"]),
        ({"startedAt": "2026-11-24T10:00:00"}, ["/startedAt"]),
        ({"startedAt": "0001-01-01T00:00:00+14:00"}, ["/startedAt"]),
        ({"startedAt": "9999-12-31T23:59:59-14:00"}, ["/startedAt"]),
        ({"startedAt": "2026-11-24T10:00:00Z", PLANTED: 1}, [""]),
        (
            {"startedAt": "2026-11-24T10:00:00Z", "parties": [{"name": "a"}, {"name": PLANTED + "\x00"}]},
            ["/parties/1/name"],
        ),
        (
            {"startedAt": "2026-11-24T10:00:00Z", "parties": [{"name": "a", "code": PLANTED}]},
            ["/parties/0/code"],
        ),
        ({"startedAt": "2026-11-24T10:00:00Z", "parties": [{"name": PLANTED * 20}]}, ["/parties/0/name"]),
        ({"startedAt": "2026-11-24T10:00:00Z", "parties": [{"name": 5}]}, ["/parties/0/name"]),
        ({"startedAt": "2026-11-24T10:00:00Z", "parties": [{"name": ""}]}, ["/parties/0/name"]),
        ({"startedAt": "2026-11-24T10:00:00Z", "labels": {PLANTED: "x"}}, ["/labels/*"]),
        ({"startedAt": "2026-11-24T10:00:00Z", "note": "a\u2028b"}, ["/note"]),
    ],
)
def test_a_wrong_body_is_pointed_at_and_not_echoed(body: object, pointers: list[str]) -> None:
    refused = problem(call("POST", "/v1/calls", json=body), 400, "invalid-request")
    assert [error["pointer"] for error in refused["errors"]] == pointers
    assert all(error["message"] and error["in"] == "body" for error in refused["errors"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 900, b'{"note": "\\ud800"}', b'{"startedAt": NaN}', b"null"]
)
def test_a_body_that_is_no_object(content: bytes) -> None:
    problem(
        call("POST", "/v1/calls", content=content, headers={"content-type": "application/json"}),
        400,
        "invalid-request",
    )


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_no_json_makes_the_door_fail(body: object) -> None:
    content = json.dumps({"startedAt": body, "parties": body, "note": body}).encode()
    response = call("POST", "/v1/calls", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (200, 400, 413)


def test_another_media_type() -> None:
    for headers in ({"content-type": "text/plain"}, {"content-type": "audio/wav"}):
        problem(
            call("POST", "/v1/calls", content=PLANTED.encode(), headers=headers),
            415,
            "unsupported-media-type",
        )


def test_json_past_the_limit_is_refused_and_at_the_limit_taken() -> None:
    frame = json.dumps({"startedAt": "2026-11-24T10:00:00Z", "note": ""})

    def post(length: int) -> httpx.Response:
        content = frame.replace('""', '"' + "n" * (length - len(frame)) + '"').encode()
        return call("POST", "/v1/calls", content=content, headers={"content-type": "application/json"})

    assert post(1000).status_code == 200
    problem(post(1001), 413, "too-large")


def test_a_lying_content_length_does_not_help() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 100

    headers = {"content-type": "application/json; charset=utf-8", "content-length": "5"}
    problem(call("POST", "/v1/calls", content=body(), headers=headers), 413, "too-large")


@pytest.mark.parametrize("media_type", ["text/plain", "audio/wav", "multipart/form-data; boundary=b", None])
def test_a_body_that_a_route_declares_is_limited_whatever_its_media_type(media_type: str | None) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    headers = {} if media_type is None else {"content-type": media_type}
    problem(call("POST", "/v1/calls", content=body(), headers=headers), 413, "too-large")


def test_other_bodies_stream_through_without_the_limit() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 700

    answer = call(
        "POST",
        "/v1/audio",
        content=body(),
        headers={"content-type": "audio/wav", "authorization": "Bearer t"},
    )
    assert answer.json() == {"first": 700, "size": 2100, "key": None, "bearer": "Bearer t"}


def test_unknown_paths_and_methods() -> None:
    problem(call("GET", f"/{PLANTED}"), 404, "not-found")
    refused = call("DELETE", "/v1/calls")
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "POST"
    problem(call("GET", f"/v1/calls/{PLANTED}"), 400, "invalid-request")
    listed = problem(call("GET", "/v1/calls/x", params={"limit": PLANTED}), 400, "invalid-request")["errors"]
    assert [(error["in"], error["pointer"]) for error in listed] == [("query", "/limit")]


def test_errors_of_services_and_unforeseen_ones() -> None:
    assert problem(call("GET", "/v1/fail/conflict"), 409, "conflict")["hint"] == "another"
    assert call("GET", "/v1/fail/unavailable").headers["retry-after"] == "2"
    problem(call("GET", "/v1/fail/other"), 500, "internal-error")


def test_a_failing_stream_is_broken_off() -> None:
    with pytest.raises(RuntimeError):
        call("GET", "/v1/broken")


def test_every_answer_has_the_security_headers_and_an_id_of_ours() -> None:
    for path in ("/openapi.json", "/nowhere", "/v1/fail/other"):
        headers = call("GET", path, headers={"X-Request-Id": PLANTED}).headers
        assert parse_id(headers["x-request-id"])
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_openapi_names_problems_and_no_validation_error_of_the_framework() -> None:
    document = call("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    responses = document["paths"]["/v1/calls"]["post"]["responses"]
    assert set(responses) == {"200", "default"}
    assert "application/problem+json" in responses["default"]["content"]
    assert not any("ValidationError" in name for name in document["components"]["schemas"])
    for path in ("/docs", "/redoc"):
        assert call("GET", path).status_code == 404


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "caf\u00e9".encode("latin-1")])
def test_a_wrong_idempotency_key(key: str | bytes) -> None:
    problem(call("POST", "/v1/audio", headers={"Idempotency-Key": key}), 400, "invalid-request")


def test_a_right_idempotency_key() -> None:
    assert call("POST", "/v1/audio", headers={"Idempotency-Key": "k" * 255}).json()["key"] == "k" * 255
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(call("POST", "/v1/audio", headers=twice), 400, "invalid-request")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    import logging

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("INFO", stream)
    yield stream
    root.handlers[:], root.level = before, level


def test_the_access_log_has_the_template_and_never_the_path(log: io.StringIO) -> None:
    call("GET", f"/v1/calls/{PLANTED}?limit=3")
    call("GET", f"/{PLANTED}")
    call("GET", "/v1/fail/other")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    routes = [(line["route"], line["status"]) for line in lines if line["message"] == "request"]
    assert routes == [("/v1/calls/{call_id}", 400), ("unmatched", 404), ("/v1/fail/{kind}", 500)]
    assert all(line["component"] == "ingest" for line in lines if line["logger"].startswith("callward"))
    failure = next(line for line in lines if "exception" in line)
    assert failure["exception"] == "RuntimeError"
    assert any(place.endswith(" fail") for place in failure["frames"])
    assert "planted" not in log.getvalue()
    assert "Major" not in log.getvalue()


def test_a_refusal_states_its_rule() -> None:
    assert str(refusal("A rule.")) == "A rule."
