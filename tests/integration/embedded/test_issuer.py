"""The loopback issuer: whom it gives tokens, what stands in them, and that doors believe them."""

import base64
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import KeySet

from callward_common.identity import ActorKind
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import from_proto
from callward_common.tokens import Principal, TokenExpired, TokenInvalid, TokenVerifier
from callward_embedded.accounts import STEP, one_time_code
from callward_embedded.demo import DEMO_TENANTS, tenant_message
from callward_embedded.issuer import MAX_BODY, TokenService, issuer_app
from tests.support.clock import ManualClock
from tests.support.tenants import StaticTenantDirectory

URL = "http://127.0.0.1:8180/issuers"
TENANT, OTHER = (tenant.tenant_id for tenant in DEMO_TENANTS)


class Door:
    """The issuer over HTTP, and a verifier as a door has it."""

    def __init__(self, folder: Path, clock: ManualClock, lifetime: timedelta = timedelta(hours=1)) -> None:
        self.tokens = TokenService(URL, folder, [TENANT, OTHER], clock, lifetime=lifetime)
        transport = httpx.ASGITransport(issuer_app(self.tokens))
        self.http = httpx.AsyncClient(transport=transport, base_url=URL)
        records = [replace(from_proto(tenant_message(each, URL)), version=1) for each in DEMO_TENANTS]
        self._verifier = TokenVerifier(StaticTenantDirectory(*records), self, clock)
        self.records: list[TenantRecord] = records

    async def keys(self, jwks_uri: str, *, refresh: bool = False) -> KeySet:
        """The JwksSource of the verifier: asks the issuer itself."""
        return KeySet.import_key_set((await self.http.get(jwks_uri)).json())

    async def post(self, kind: str = "people", tenant: str = TENANT, **fields: str) -> httpx.Response:
        return await self.http.post(f"{URL}/{tenant}/{kind}/token", data=fields)

    async def person(self, name: str = "supervisor", /, **changes: str | None) -> httpx.Response:
        account = self.tokens.accounts.people[TENANT, name]
        fields: dict[str, str | None] = {
            "grant_type": "password",
            "username": name,
            "password": account.secret,
            "audience": "callward-access",
            **changes,
        }
        return await self.post(**{key: value for key, value in fields.items() if value is not None})

    async def machine(self, name: str = "call-platform", /, **changes: str | None) -> httpx.Response:
        account = self.tokens.accounts.machines[TENANT, name]
        fields: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_secret": account.secret,
            "audience": "callward-ingest",
            **changes,
        }
        return await self.post(
            "machines", **{key: value for key, value in fields.items() if value is not None}
        )

    async def verify(self, answer: httpx.Response, audience: str, kind: Any) -> Principal:
        authorization = f"Bearer {answer.json()['access_token']}"
        return await self._verifier.verify(authorization, audiences=[audience], kind=kind)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def door(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Door]:
    opened = Door(tmp_path / "issuer", clock)
    yield opened
    await opened.http.aclose()


def code(door: Door, clock: ManualClock, name: str = "supervisor") -> str:
    secret = door.tokens.accounts.people[TENANT, name].totp_secret
    assert secret is not None
    return one_time_code(secret, clock)


async def test_a_person_with_both_factors(door: Door, clock: ManualClock) -> None:
    answer = await door.person(otp=code(door, clock))

    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 3600
    principal = await door.verify(answer, "callward-access", "people")
    assert (principal.tenant_id, principal.actor.kind, principal.actor.id) == (
        TENANT,
        ActorKind.person,
        "supervisor",
    )
    assert principal.roles == {"supervisor"}
    assert principal.mfa


async def test_a_person_without_a_code_has_one_factor(door: Door) -> None:
    assert not (await door.verify(await door.person(), "callward-access", "people")).mfa


async def test_a_code_is_accepted_once_also_after_a_restart(
    door: Door, clock: ManualClock, tmp_path: Path
) -> None:
    used = code(door, clock)
    assert (await door.person(otp=used)).status_code == 200

    for again in (door, Door(tmp_path / "issuer", clock)):
        refused = await again.person(otp=used)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    clock.advance(timedelta(seconds=STEP))
    assert (await door.person(otp=code(door, clock))).status_code == 200


async def test_a_code_may_be_a_step_early_or_late_and_no_more(door: Door, clock: ManualClock) -> None:
    made = code(door, clock)
    clock.advance(timedelta(seconds=2 * STEP))
    assert (await door.person(otp=made)).status_code == 400
    made = code(door, clock)
    clock.advance(timedelta(seconds=STEP))
    assert (await door.person(otp=made)).status_code == 200


async def test_a_code_of_another_person_is_refused(door: Door, clock: ManualClock) -> None:
    assert (await door.person(otp=code(door, clock, "agent"))).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"password": None}, "invalid_grant"),
        ({"username": "nobody"}, "invalid_grant"),
        ({"otp": "000000"}, "invalid_grant"),
        ({"otp": ""}, None),
        ({"otp": "ä" * 6}, "invalid_grant"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"audience": "callward-ingest"}, "invalid_target"),
        ({"audience": None}, "invalid_target"),
    ],
)
async def test_what_is_wrong_with_a_persons_request_is_said_without_its_secrets(
    door: Door, changes: dict[str, str | None], error: str | None
) -> None:
    answer = await door.person(**changes)

    if error is None:  # an empty field is a field that is not there
        assert not (await door.verify(answer, "callward-access", "people")).mfa
        return
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "wrong" not in answer.text


async def test_a_machine_with_its_secret_in_either_place(door: Door) -> None:
    principal = await door.verify(await door.machine(), "callward-ingest", "machines")
    assert (principal.tenant_id, principal.actor.kind, principal.actor.id) == (
        TENANT,
        ActorKind.machine,
        "call-platform",
    )
    assert principal.scopes == {"calls:write", "recordings:write", "webhooks:manage"}
    assert not principal.mfa

    secret = door.tokens.accounts.machines[TENANT, "call-platform"].secret
    basic = base64.b64encode(f"call-platform:{secret}".encode()).decode()
    answer = await door.http.post(
        f"{URL}/{TENANT}/machines/token",
        data={"grant_type": "client_credentials", "audience": "callward-ingest", "scope": "calls:write"},
        headers={"Authorization": f"Basic {basic}"},
    )
    assert (await door.verify(answer, "callward-ingest", "machines")).scopes == {"calls:write"}


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "siem"}, 401, "invalid_client"),
        ({"scope": "events:read"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"audience": "callward-access"}, 400, "invalid_target"),
    ],
)
async def test_what_is_wrong_with_a_machines_request(
    door: Door, changes: dict[str, str | None], status: int, error: str
) -> None:
    answer = await door.machine(**changes)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_secret_of_one_tenant_is_none_of_another(door: Door) -> None:
    account = door.tokens.accounts.people[TENANT, "supervisor"]
    answer = await door.post(
        tenant=OTHER,
        grant_type="password",
        username="supervisor",
        password=account.secret,
        audience="callward-access",
    )
    assert answer.status_code == 400


async def test_a_token_of_people_is_none_of_machines(door: Door) -> None:
    with pytest.raises(TokenInvalid):
        await door.verify(await door.person(), "callward-access", "machines")


async def test_a_token_lives_as_long_as_is_configured(tmp_path: Path, clock: ManualClock) -> None:
    door = Door(tmp_path / "issuer", clock, timedelta(minutes=5))
    answer = await door.person()

    clock.advance(timedelta(minutes=5, seconds=31))
    with pytest.raises(TokenExpired):
        await door.verify(answer, "callward-access", "people")


async def test_tokens_and_secrets_survive_a_restart(door: Door, tmp_path: Path, clock: ManualClock) -> None:
    answer = await door.person()
    again = Door(tmp_path / "issuer", clock)

    assert (await again.verify(answer, "callward-access", "people")).actor.id == "supervisor"
    assert again.tokens.accounts.people == door.tokens.accounts.people
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "issuer").iterdir()} == {0o600}


async def test_metadata_lead_to_the_public_key_only(door: Door) -> None:
    metadata = (await door.http.get(f"{URL}/{TENANT}/people/.well-known/openid-configuration")).json()
    (key,) = (await door.http.get(metadata["jwks_uri"])).json()["keys"]

    assert metadata["issuer"] == f"{URL}/{TENANT}/people"
    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256")
    assert "d" not in key


async def test_requests_that_are_none(door: Door) -> None:
    post = door.http.post
    url = f"{URL}/{TENANT}/people/token"

    assert (await post(url, content=b"a" * (MAX_BODY + 1))).status_code == 413
    assert (await post(url, content=b"grant_type=password&grant_type=password")).status_code == 400
    assert (await post(url, content=b"\xff")).status_code == 400
    assert (await post(f"{URL}/nobody/people/token", content=b"")).status_code == 404
    assert (await post(url, headers={"Authorization": "Basic !"})).status_code == 401


async def test_secrets_stay_out_of_representations(door: Door) -> None:
    for account in (*door.tokens.accounts.people.values(), *door.tokens.accounts.machines.values()):
        assert account.secret not in repr(account)
        assert (account.totp_secret or "-") not in repr(account) or account.totp_secret is None
