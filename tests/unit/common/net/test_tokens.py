"""Bearer tokens: who is believed, and everybody who is not."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt

from callward_common.errors import CallwardError, Unavailable
from callward_common.identity import Actor, ActorKind
from callward_common.tokens import (
    MfaRequired,
    Principal,
    ScopeMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenVerifier,
)
from tests.support.clock import ManualClock
from tests.support.tenants import ACCESS_AUDIENCE, INGEST_AUDIENCE, MERCY, SUSPENDED, StaticTenantDirectory
from tests.support.tokens import StaticIssuer, StaticJwksSource, make_key


class World:
    """A verifier with its surroundings."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.people, self.machines = StaticIssuer.people(self.clock), StaticIssuer.machines(self.clock)
        closed = [issuer.issuer for issuer in SUSPENDED.issuers if issuer.kind == "people"]
        self.closed = StaticIssuer(closed[0], self.clock)
        self.tenants = StaticTenantDirectory()
        self.jwks = StaticJwksSource([self.people, self.machines, self.closed])
        self.verifier = TokenVerifier(self.tenants, self.jwks, self.clock)

    def verify(self, header: str | None, **options: Any) -> Principal:
        """Verifies for people at the access door unless told otherwise."""
        options = {"audiences": {ACCESS_AUDIENCE}, "kind": "people", **options}
        return asyncio.run(self.verifier.verify(header, **options))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_person(world: World) -> None:
    header = world.people.bearer(
        [ACCESS_AUDIENCE, "elsewhere"],
        "ada",
        roles=["supervisor"],
        scope="recordings:read x",
        amr=["pwd", "otp"],
    )
    who = world.verify(header)
    assert who.tenant_id == MERCY.tenant_id
    assert who.actor == Actor(ActorKind.person, "ada", world.people.issuer)
    assert (who.roles, who.scopes) == (frozenset({"supervisor"}), frozenset({"recordings:read", "x"}))
    assert (who.mfa, who.audience) == (True, ACCESS_AUDIENCE)
    assert who.expires_at == world.clock.now() + timedelta(minutes=10)
    assert who.token not in repr(who)


def test_a_machine_has_no_second_factor(world: World) -> None:
    header = world.machines.bearer(INGEST_AUDIENCE, "pbx-1", amr=["mfa"])
    who = world.verify(header, audiences={INGEST_AUDIENCE}, kind="machines")
    assert (who.actor.kind, who.mfa) == (ActorKind.machine, False)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"])
def test_each_accepted_algorithm(world: World, algorithm: str) -> None:
    issuer = StaticIssuer(world.people.issuer, world.clock, algorithm=algorithm)
    verifier = TokenVerifier(world.tenants, StaticJwksSource([issuer]), world.clock)
    header = issuer.bearer(ACCESS_AUDIENCE)
    assert (
        asyncio.run(verifier.verify(header, audiences={ACCESS_AUDIENCE}, kind=None)).tenant_id
        == MERCY.tenant_id
    )


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Token x.y.z"])
def test_no_token(world: World, header: str | None) -> None:
    with pytest.raises(TokenMissing) as refused:
        world.verify(header)
    assert refused.value.http_headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "elsewhere"},
        {"aud": INGEST_AUDIENCE},
        {"aud": None},
        {"aud": [3]},
        {"iss": "https://foreign.example"},
        {"iss": None},
        {"iss": ["https://people.mercy.example"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1e400},
        {"exp": 10**30},
        {"iat": None},
        {"nbf": "now"},
    ],
)
def test_wrong_claims(world: World, claims: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        world.verify(world.people.bearer(ACCESS_AUDIENCE, **claims))


def test_times_with_leeway(world: World) -> None:
    now = world.clock.now().timestamp()
    fine: list[dict[str, Any]] = [{"exp": now - 29}, {"nbf": now + 29}, {"iat": now + 29}]
    for claims in fine:
        assert world.verify(world.people.bearer(ACCESS_AUDIENCE, **claims)).tenant_id == MERCY.tenant_id
    with pytest.raises(TokenExpired):
        world.verify(world.people.bearer(ACCESS_AUDIENCE, exp=now - 31))
    early: list[dict[str, Any]] = [{"nbf": now + 31}, {"iat": now + 31}]
    for claims in early:
        with pytest.raises(TokenInvalid):
            world.verify(world.people.bearer(ACCESS_AUDIENCE, **claims))


def test_an_expired_token_of_somebody_else_is_invalid_not_expired(world: World) -> None:
    forger = StaticIssuer(world.people.issuer, world.clock)
    with pytest.raises(TokenInvalid):
        world.verify(forger.bearer(ACCESS_AUDIENCE, exp=1))


def test_machines_are_not_people(world: World) -> None:
    with pytest.raises(TokenInvalid):
        world.verify(world.machines.bearer(ACCESS_AUDIENCE))


def test_a_suspended_tenant(world: World) -> None:
    with pytest.raises(TokenInvalid):
        world.verify(world.closed.bearer(ACCESS_AUDIENCE))


def test_alg_none(world: World) -> None:
    payload = world.people.token(ACCESS_AUDIENCE).split(".")[1]
    for name in ("none", "None", "NONE", ""):
        for signature in ("", "AAAA"):
            with pytest.raises(TokenInvalid):
                world.verify(f"Bearer {_part({'alg': name, 'kid': 'key-1'})}.{payload}.{signature}")


def test_the_public_key_is_no_hmac_secret(world: World) -> None:
    payload = world.people.token(ACCESS_AUDIENCE).split(".")[1]
    public = world.people.key
    for secret in (public.as_pem(private=False), json.dumps(public.as_dict(private=False)).encode(), b""):
        signed = f"{_part({'alg': 'HS256', 'kid': 'key-1'})}.{payload}"
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        with pytest.raises(TokenInvalid):
            world.verify(f"Bearer {signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}")


def test_a_key_in_the_header_is_not_believed(world: World) -> None:
    forged = make_key(kid="own")
    claims = json.loads(base64.urlsafe_b64decode(world.people.token(ACCESS_AUDIENCE).split(".")[1] + "=="))
    header = {"alg": "ES256", "kid": "key-1", "jwk": forged.as_dict(private=False)}
    with pytest.raises(TokenInvalid):
        world.verify("Bearer " + jwt.encode(header, claims, forged, ["ES256"]))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token(world: World, part: int) -> None:
    parts = world.people.token(ACCESS_AUDIENCE).split(".")
    middle = len(parts[part]) // 2
    parts[part] = (
        parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    )
    with pytest.raises(TokenInvalid):
        world.verify("Bearer " + ".".join(parts))


def test_a_rotated_key_is_fetched_once() -> None:
    world = World()
    world.verify(world.people.bearer(ACCESS_AUDIENCE))
    before = world.jwks.refreshes
    world.people.rotate("key-2")
    for _ in range(2):
        assert world.verify(world.people.bearer(ACCESS_AUDIENCE)).tenant_id == MERCY.tenant_id
    assert world.jwks.refreshes == before + 1
    with pytest.raises(TokenInvalid):
        world.verify(StaticIssuer(world.people.issuer, world.clock, kid="never").bearer(ACCESS_AUDIENCE))


def test_unreachable_keys_are_unavailable_not_invalid(world: World) -> None:
    verifier = TokenVerifier(world.tenants, StaticJwksSource([]), world.clock)
    with pytest.raises(Unavailable):
        asyncio.run(
            verifier.verify(world.people.bearer(ACCESS_AUDIENCE), audiences={ACCESS_AUDIENCE}, kind=None)
        )


@pytest.mark.parametrize(
    ("amr", "mfa"),
    [
        (None, False),
        ([], False),
        (["pwd"], False),
        (["pwd", "pin"], False),
        (["otp", "hwk"], False),
        (["pwd", "geo", "rba", "wia", "user"], False),
        ("mfa", False),
        (["mfa"], True),
        (["pwd", "otp"], True),
        (["face", "hwk"], True),
        ([3, "pin", "fpt"], True),
    ],
)
def test_factors(world: World, amr: object, mfa: bool) -> None:
    assert world.verify(world.people.bearer(ACCESS_AUDIENCE, amr=amr)).mfa is mfa


def test_demands(world: World) -> None:
    who = world.verify(world.people.bearer(ACCESS_AUDIENCE, scope="recordings:read"))
    who.demand_scope("recordings:read")
    with pytest.raises(ScopeMissing) as scope:
        who.demand_scope("recordings:write")
    assert 'scope="recordings:write"' in scope.value.http_headers["WWW-Authenticate"]
    with pytest.raises(MfaRequired) as mfa:
        who.demand_mfa()
    assert "insufficient_user_authentication" in mfa.value.http_headers["WWW-Authenticate"]


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
)


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()) | st.just("a." * 9000))
def test_garbage_is_refused_and_nothing_else(world: World, garbage: str) -> None:
    for token in (garbage, f"{garbage}.{garbage}.{garbage}", f"{_part({'alg': 'ES256'})}.{garbage}."):
        with pytest.raises((TokenInvalid, TokenMissing)) as refused:
            world.verify(f"Bearer {token}")
        assert len(garbage) < 10 or garbage not in str(refused.value)


@settings(max_examples=40)
@given(_json, _json)
def test_any_json_with_our_issuer_is_refused_and_nothing_else(
    world: World, header: object, more: object
) -> None:
    claims = {"iss": world.people.issuer, "aud": ACCESS_AUDIENCE, "sub": "x", "exp": more, "iat": more}
    full = {**header, "kid": "key-1"} if isinstance(header, dict) else header
    with pytest.raises(TokenInvalid):
        world.verify(f"Bearer {_part(full)}.{_part(claims)}.{_part('x' * 66)}")


def test_nothing_of_a_token_is_in_an_error(world: World) -> None:
    token = world.people.token("elsewhere", "planted-subject")
    with pytest.raises(CallwardError) as refused:
        world.verify(f"Bearer {token}")
    assert "planted" not in str(refused.value)
    assert token not in str(refused.value)
