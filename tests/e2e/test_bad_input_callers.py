"""Whoever may not pass is refused at every operation of every door, and another tenant's things do not exist."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from callward_common.clock import SystemClock
from callward_common.ids import new_id
from tests.e2e.endpoints import Door, Endpoint, Things, endpoint_of
from tests.support.doors import CLINIC, HOSPITAL, Callward, Client, problem, saw
from tests.support.openapi import Document, Operation
from tests.support.platform import RunningPlatform

DOORS: tuple[Door, ...] = ("ingest", "access", "audit")
ALG_NONE = b'{"alg":"none","typ":"at+jwt"}'
NOW = int(SystemClock().now().timestamp())


def base(callward: Callward, door: Door) -> Client:
    return callward.nobody(str(getattr(callward.doors, door)))


def operations(callward: Callward, door: Door) -> list[tuple[Operation, Endpoint]]:
    found = list(Document.of(base(callward, door)).operations())
    assert found
    return [(operation, endpoint_of(door, operation)) for operation in found]


@pytest.fixture(scope="module")
def things(callward: Callward) -> Things:
    return Things.made(callward)


@pytest.mark.parametrize("door", DOORS)
def test_every_operation_answers_who_may_call_it(callward: Callward, door: Door) -> None:
    """Without this the refusals below would say nothing: the requests have to be right but for the caller."""
    names = Things.made(callward).names
    for operation, endpoint in sorted(operations(callward, door), key=lambda each: _ends(each[0])):
        answer = endpoint.send(endpoint.client(callward), operation, names)
        assert answer.status_code == endpoint.status, (operation.named, answer.text)


def _ends(operation: Operation) -> bool:
    """Whether the things of the others are gone after it."""
    return operation.method == "delete" or operation.path.endswith("/revocations")


@pytest.mark.parametrize("door", DOORS)
def test_another_tenants_things_do_not_exist(callward: Callward, things: Things, door: Door) -> None:
    crossed = 0
    for operation, endpoint in operations(callward, door):
        placeholders = [name for name in operation.parameters_in("path") if name != "log"]
        if endpoint.of_tenant is None:
            assert not placeholders, f"{operation.named} names something: say whose in endpoints.py"
            continue
        crossed += 1
        stranger = endpoint.client(callward, CLINIC)
        theirs = endpoint.send(stranger, operation, things.names)
        assert theirs.status_code == 404, (operation.named, theirs.text)
        never = {name: value if name == "log" else new_id() for name, value in things.names.items()}
        absent = endpoint.send(stranger, operation, never)
        assert _apart_from_ids(theirs) == _apart_from_ids(absent), operation.named
        ours = endpoint.send(endpoint.client(callward), operation, never)
        assert _apart_from_ids(ours) == _apart_from_ids(absent), operation.named
    assert crossed >= {"ingest": 7, "access": 7, "audit": 1}[door]


def _apart_from_ids(answer: Any) -> Any:
    if answer.request.method == "HEAD":
        return answer.status_code
    assert problem(answer).endswith("not-found")
    return {name: value for name, value in answer.json().items() if name != "request_id"}


@pytest.mark.parametrize("door", DOORS)
def test_ids_that_are_none_are_refused(callward: Callward, things: Things, door: Door) -> None:
    for operation, endpoint in operations(callward, door):
        for name in operation.parameters_in("path"):
            for odd in ("1", "x" * 5000, "..", "%00", "%2e%2e%2fetc", "'; DROP TABLE calls; --"):
                answer = endpoint.send(endpoint.client(callward), operation, {**things.names, name: odd})
                assert answer.status_code in (400, 404, 405, 414), (operation.named, odd, answer.text)
                if operation.method != "head" and answer.headers["content-type"].startswith("application/"):
                    assert problem(answer)
                    assert len(odd) < 9 or odd not in answer.text


#: One operation of a door is tried with every bad token; the others show that the same check stands before them.
ON_EVERY_OPERATION = ("absent", "changed signature", "expired", "another audience")


def bad_tokens(
    callward: Callward, platform: RunningPlatform, endpoint: Endpoint
) -> Mapping[str, tuple[str | None, str]]:
    """Tokens that do not count, each with the type that says why. Each is right but for one thing."""
    audience = {"ingest": "callward-ingest", "access": "callward-access", "audit": "callward-audit"}
    aud = audience[endpoint.door]
    machine = endpoint.door != "access"
    kind: Any = "machines" if machine else "people"
    right: dict[str, Any] = {"sub": "siem", "scope": "calls:write recordings:write events:read", "aud": aud}
    if not machine:
        right = {"sub": "supervisor", "roles": ["supervisor"], "amr": ["pwd", "otp"], "aud": aud}

    def forged(**claims: Any) -> str:
        return platform.forge(HOSPITAL, kind, **{**right, **claims})

    good = forged()
    head, payload, signature = good.split(".")
    clinic = json.loads(_decoded(platform.forge(CLINIC, kind, **right).split(".")[1]))
    return {
        "absent": (None, "token-missing"),
        "no token at all": ("not-a-token", "token-invalid"),
        "empty parts": ("..", "token-invalid"),
        "very long": ("x" * 20_000, "token-invalid"),
        "changed claims": (
            f"{head}.{_encoded(_decoded(payload).replace(b'forged', b'chosen'))}.{signature}",
            "token-invalid",
        ),
        "changed signature": (f"{head}.{payload}.{_flipped(signature)}", "token-invalid"),
        "alg none": (f"{_encoded(ALG_NONE)}.{payload}.", "token-invalid"),
        "expired": (forged(iat=NOW - 7200, exp=NOW - 3600), "token-expired"),
        "no expiry": (forged(exp=None), "token-invalid"),
        "issued in the future": (forged(iat=NOW + 3600, exp=NOW + 7200), "token-invalid"),
        "not valid yet": (forged(nbf=NOW + 3600), "token-invalid"),
        "another audience": (forged(aud="somebody-else"), "token-invalid"),
        "no audience": (forged(aud=None), "token-invalid"),
        "an unknown issuer": (forged(iss="https://idp.example"), "token-invalid"),
        "another tenant's issuer, signed by ours": (forged(iss=clinic["iss"]), "token-invalid"),
        "no subject": (forged(sub=None), "token-invalid"),
    }


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _flipped(text: str) -> str:
    return ("A" if text[0] != "A" else "B") + text[1:]


@pytest.mark.parametrize("door", DOORS)
def test_tokens_that_do_not_count(
    callward: Callward, platform: RunningPlatform, things: Things, door: Door
) -> None:
    every_token = True
    for operation, endpoint in operations(callward, door):
        if endpoint.public:
            continue
        tokens = bad_tokens(callward, platform, endpoint)
        for name in tokens if every_token else ON_EVERY_OPERATION:
            token, expected = tokens[name]
            answer = endpoint.send(base(callward, door).having(token), operation, things.names)
            assert answer.status_code == 401, (operation.named, name, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            if operation.method != "head":
                assert problem(answer) == expected, (operation.named, name)
                assert token is None or len(token) < 4 or token not in answer.text
        every_token = False


def test_the_right_forgery_passes(callward: Callward, platform: RunningPlatform) -> None:
    """The tokens above differ from these by one thing each."""
    person = platform.forge(
        HOSPITAL, "people", sub="supervisor", roles=["supervisor"], amr=["pwd", "otp"], aud="callward-access"
    )
    assert callward.person().having(person).get("/v1/recordings").status_code == 200
    siem = platform.forge(HOSPITAL, "machines", sub="siem", scope="events:read", aud="callward-audit")
    assert callward.siem().having(siem).get("/v1/events").status_code == 200


@pytest.mark.parametrize(
    "methods", [None, [], ["pwd"], ["pwd", "pin"], ["otp"], "mfa", ["fpt", "face"]], ids=str
)
def test_one_factor_is_not_enough_for_people(
    callward: Callward, platform: RunningPlatform, things: Things, methods: Any
) -> None:
    token = platform.forge(
        HOSPITAL, "people", sub="supervisor", roles=["supervisor"], amr=methods, aud="callward-access"
    )
    for operation, endpoint in operations(callward, "access"):
        answer = endpoint.send(base(callward, "access").having(token), operation, things.names)
        assert answer.status_code == 401, operation.named
        assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
        if operation.method != "head":
            assert problem(answer) == "mfa-required", operation.named
    auditor = platform.forge(
        HOSPITAL, "people", sub="auditor", roles=["auditor"], amr=methods, aud="callward-audit"
    )
    assert saw(callward.siem().having(auditor).get("/v1/events")) == (401, "mfa-required")


def test_a_real_sign_in_without_a_code(callward: Callward, things: Things) -> None:
    token = callward.single_factor_token(HOSPITAL, "supervisor", "callward-access")
    assert saw(callward.person().having(token).get("/v1/recordings")) == (401, "mfa-required")


@pytest.mark.parametrize("door", ["ingest", "audit"])
def test_a_machine_needs_the_scope(
    callward: Callward, platform: RunningPlatform, things: Things, door: Door
) -> None:
    for operation, endpoint in operations(callward, door):
        if not endpoint.public:
            token = platform.forge(
                HOSPITAL, "machines", sub="someone", scope="other:read", aud=f"callward-{door}"
            )
            answer = endpoint.send(base(callward, door).having(token), operation, things.names)
            assert answer.status_code == 403, operation.named
            # The answer to a HEAD has no body.
            if operation.method != "head":
                assert saw(answer) == (403, "scope-missing"), operation.named


def test_a_door_takes_its_own_kind_of_token_only(callward: Callward, platform: RunningPlatform) -> None:
    person: dict[str, Any] = {"sub": "supervisor", "roles": ["supervisor"], "amr": ["pwd", "otp"]}
    machine: dict[str, Any] = {"sub": "m", "scope": "calls:write recordings:write events:read"}
    to_access = platform.forge(HOSPITAL, "machines", **machine, aud="callward-access")
    assert saw(base(callward, "access").having(to_access).get("/v1/recordings")) == (401, "token-invalid")
    to_ingest = platform.forge(HOSPITAL, "people", **person, aud="callward-ingest")
    answer = base(callward, "ingest").having(to_ingest).get(f"/v1/calls/{new_id()}")
    assert saw(answer) == (401, "token-invalid")


@pytest.mark.parametrize("role", [[], ["agent"], ["auditor"], ["Supervisor"], ["administrator"]], ids=str)
def test_who_is_no_supervisor_sees_and_hears_nothing(
    callward: Callward, platform: RunningPlatform, things: Things, role: list[str]
) -> None:
    token = platform.forge(
        HOSPITAL, "people", sub="somebody", roles=role, amr=["pwd", "otp"], aud="callward-access"
    )
    for operation, endpoint in operations(callward, "access"):
        answer = endpoint.send(base(callward, "access").having(token), operation, things.names)
        assert answer.status_code in (403, 404), (operation.named, answer.text)
        if operation.method != "head":
            assert problem(answer) in ("policy-forbids", "listening-session-not-found"), operation.named
