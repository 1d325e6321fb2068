"""Every field of every body: control characters, very long texts, unknown names, dates and codes that are none."""

import json
from datetime import UTC, timedelta
from typing import Any

import pytest

from callward_common.clock import SystemClock
from tests.e2e.endpoints import Door, Endpoint, Things, endpoint_of
from tests.support.doors import Callward, problem, saw
from tests.support.journeys import ANNOUNCEMENT, END, REVOCATION, YES, answered, call_body, open_call
from tests.support.openapi import Document, Operation, put

CONTROLS = ("a\x00b", "a\nb", "a\x1b[31mb", "a\x9bb", "a\u2028b", "a\ud800b")
#: Bodies that hold every field of an operation, where its valid request leaves some away.
WHOLE: dict[str, Any] = {
    "POST /v1/calls/{call_id}/evidence": {**ANNOUNCEMENT, "formReference": "Form 7"},
}
DOORS: tuple[Door, ...] = ("ingest", "access", "audit")
MARK = "planted-text"


@pytest.fixture(scope="module")
def things(callward: Callward) -> Things:
    return Things.made(callward)


def bodies(callward: Callward, door: Door) -> list[tuple[Operation, Endpoint, Document]]:
    base: str = getattr(callward.doors, door)
    document = Document.of(callward.nobody(base))
    found = [
        (operation, endpoint_of(door, operation), document)
        for operation in document.operations()
        if operation.schema is not None
    ]
    assert found or door == "audit"
    return found


def send(
    callward: Callward, things: Things, operation: Operation, endpoint: Endpoint, body: Any
) -> tuple[int, str, str]:
    client = endpoint.client(callward)
    answer = client.request(
        operation.method.upper(), operation.path.format_map(things.names), **_json(operation, body)
    )
    return answer.status_code, problem(answer), answer.text


def _json(operation: Operation, body: Any) -> dict[str, Any]:
    # ASCII escapes carry lone surrogates, which no UTF-8 can.
    return {"content": json.dumps(body).encode(), "headers": {"Content-Type": operation.media_type}}


@pytest.mark.parametrize("door", DOORS)
def test_control_characters_in_every_text(callward: Callward, things: Things, door: Door) -> None:
    for operation, endpoint, document in bodies(callward, door):
        assert operation.schema is not None
        body = WHOLE.get(operation.named, endpoint.body)
        places = list(dict.fromkeys(place for place, _ in document.texts(operation.schema)))
        assert places, operation.named
        for place in places:
            for evil in CONTROLS:
                status, kind, text = send(
                    callward, things, operation, endpoint, put(body, place, evil + MARK)
                )
                assert (status, kind) == (400, "invalid-request"), (operation.named, place, evil, text)
                assert MARK not in text, "what was sent is not echoed"


@pytest.mark.parametrize("door", DOORS)
def test_very_long_texts_in_every_text(callward: Callward, things: Things, door: Door) -> None:
    for operation, endpoint, document in bodies(callward, door):
        assert operation.schema is not None
        body = WHOLE.get(operation.named, endpoint.body)
        for place, schema in document.texts(operation.schema):
            one_more = "9" * (int(schema.get("maxLength", 8000)) + 1)
            status, kind, text = send(callward, things, operation, endpoint, put(body, place, one_more))
            assert (status, kind) == (400, "invalid-request"), (operation.named, place, text)
            status, kind, text = send(
                callward, things, operation, endpoint, put(body, place, "9" * endpoint.too_long)
            )
            assert (status, kind) == (413, "too-large"), (operation.named, place, text)


@pytest.mark.parametrize("door", DOORS)
def test_an_unknown_field_at_every_level(callward: Callward, things: Things, door: Door) -> None:
    for operation, endpoint, document in bodies(callward, door):
        assert operation.schema is not None
        body = WHOLE.get(operation.named, endpoint.body)
        for place in document.objects(operation.schema):
            status, kind, text = send(callward, things, operation, endpoint, put(body, (*place, MARK), "1"))
            assert (status, kind) == (400, "invalid-request"), (operation.named, place)
            assert MARK not in text, "a name that was sent is not echoed"


@pytest.mark.parametrize("door", DOORS)
def test_values_of_another_type_in_every_text(callward: Callward, things: Things, door: Door) -> None:
    for operation, endpoint, document in bodies(callward, door):
        assert operation.schema is not None
        for place, _ in document.texts(operation.schema):
            odd: Any
            for odd in (1, {}, ["x"]):
                status, kind, _ = send(callward, things, operation, endpoint, put(endpoint.body, place, odd))
                assert (status, kind) == (400, "invalid-request"), (operation.named, place, odd)


@pytest.mark.parametrize("door", DOORS)
def test_odd_texts_in_every_query_parameter(callward: Callward, things: Things, door: Door) -> None:
    base: str = getattr(callward.doors, door)
    walked = 0
    for operation in Document.of(callward.nobody(base)).operations():
        endpoint = endpoint_of(door, operation)
        for name in operation.parameters_in("query"):
            for odd in ("a\x00b", "a\nb", "x" * 5000, "-1", "NaN", MARK):
                query = {key: value.format_map(things.names) for key, value in (endpoint.query or {}).items()}
                answer = endpoint.client(callward).request(
                    operation.method.upper(),
                    operation.path.format_map(things.names),
                    params={**query, name: odd},
                    headers={"Content-Type": "audio/wav", "Idempotency-Key": "odd"} if endpoint.audio else {},
                )
                walked += 1
                if (
                    (name, odd) == ("queue", "-1")
                    or (name, odd) == ("queue", "NaN")
                    or (name, odd) == ("queue", MARK)
                ):
                    assert answer.status_code == 200, "a queue may have any such name"
                    continue
                if name == "leg" and (answer.status_code, problem(answer)) == (404, "leg-not-found"):
                    assert odd in ("-1", "NaN", MARK), "a leg may have any such id"
                    assert MARK not in answer.text
                    continue
                assert answer.status_code == 400, (operation.named, name, odd, answer.text)
                assert problem(answer).startswith("invalid"), (operation.named, name, odd)
                assert MARK not in answer.text
    assert walked


def soon(**later: float) -> str:
    return (SystemClock().now() + timedelta(**later)).astimezone(UTC).isoformat()


def test_dates_in_the_future(callward: Callward) -> None:
    platform = callward.call_platform()
    assert saw(platform.post("/v1/calls", json=call_body(startedAt=soon(hours=1)))) == (400, "date-in-future")
    call_id = open_call(platform)
    for path, body in (
        ("evidence", {**YES, "givenAt": soon(hours=1)}),
        ("revocations", {**REVOCATION, "revokedAt": soon(days=400)}),
        ("end", {"endedAt": soon(minutes=30)}),
    ):
        answer = platform.post(f"/v1/calls/{call_id}/{path}", json=body)
        assert saw(answer) == (400, "date-in-future"), path
    assert answered(platform.get(f"/v1/calls/{call_id}"), 200)["endedAt"] is None
    within_skew = platform.post("/v1/calls", json=call_body(startedAt=soon(minutes=1)))
    assert within_skew.status_code == 201


def test_dates_that_are_none(callward: Callward) -> None:
    platform = callward.call_platform()
    for odd in ("", "yesterday", "2025-11-05", "2025-11-05T18:30:00", "2025-13-05T18:30:00Z", "1762367400"):
        answer = platform.post("/v1/calls", json=call_body(startedAt=odd))
        assert saw(answer) == (400, "invalid-request"), odd
    call_id = open_call(platform)
    early = platform.post(f"/v1/calls/{call_id}/end", json={"endedAt": "2025-11-05T18:00:00Z"})
    assert saw(early) == (400, "date-before-call")


def test_a_call_ends_once(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = open_call(platform)
    assert platform.post(f"/v1/calls/{call_id}/end", json=END).status_code == 200
    assert platform.post(f"/v1/calls/{call_id}/end", json=END).status_code == 200
    other = platform.post(f"/v1/calls/{call_id}/end", json={"endedAt": "2025-11-05T18:31:00Z"})
    assert saw(other) == (409, "call-already-ended")


@pytest.mark.parametrize("odd", ["XX", "California", "ca", "US-CA", "ZZ"])
def test_an_unlisted_jurisdiction(callward: Callward, odd: str) -> None:
    body = call_body()
    body["parties"][1]["jurisdictions"] = [odd]
    answer = callward.call_platform().post("/v1/calls", json=body)
    assert answer.status_code == 400, answer.text
    assert problem(answer) == "unknown-jurisdiction"


@pytest.mark.parametrize("odd", [[], ["unknown"]], ids=str)
def test_an_unknown_jurisdiction_counts_as_all_party(callward: Callward, odd: list[str]) -> None:
    body = call_body()
    for party in body["parties"]:
        party["jurisdictions"] = ["TX"]
    body["parties"][1]["jurisdictions"] = odd
    decision = answered(callward.call_platform().post("/v1/calls", json=body), 201)["decision"]
    assert decision["outcome"] == "evidence-missing"


def test_parties_that_cannot_be(callward: Callward) -> None:
    platform, party = callward.call_platform(), call_body()["parties"][0]
    for parties in ([], [party], [party, party], [{**party, "partyId": f"p{n}"} for n in range(33)]):
        answer = platform.post("/v1/calls", json=call_body(parties=parties))
        assert saw(answer) == (400, "invalid-request")
    call_id = open_call(platform)
    answer = platform.post(f"/v1/calls/{call_id}/evidence", json={**YES, "partyId": "somebody-else"})
    assert answer.status_code in (400, 404), answer.text
