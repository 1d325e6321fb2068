"""A small issuer of tokens on loopback: for each tenant one issuer of people and one of machines.

It stands in for a hospital's identity provider. Machines use client credentials (RFC 6749 section 4.4). People use
the password grant (section 4.3, which no issuer in production should offer) with the field `otp` for a one-time code.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote_plus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from callward_common.clock import Clock
from callward_common.ids import new_id
from callward_embedded.accounts import Accounts, SignInRefused
from callward_embedded.demo import MACHINE_AUDIENCES, PEOPLE_AUDIENCES
from callward_embedded.issuer_keys import ALGORITHM, IssuerKey

#: Bytes of a token request at most.
MAX_BODY: Final = 8192
Kind = Literal["people", "machines"]
_AUDIENCES: Final[Mapping[Kind, frozenset[str]]] = {"people": PEOPLE_AUDIENCES, "machines": MACHINE_AUDIENCES}
_GRANTS: Final[Mapping[Kind, str]] = {"people": "password", "machines": "client_credentials"}


class OAuthError(Exception):
    """An error of RFC 6749 section 5.2. `description` says nothing of a secret."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        """`code` is one of the section's."""
        super().__init__(code)
        self.code, self.description, self.status = code, description, status


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer: of the people or of the machines of a tenant."""

    tenant_id: str
    kind: Kind
    url: str
    key: IssuerKey

    def configuration(self) -> dict[str, Any]:
        """Returns the metadata of RFC 8414, at OpenID's well-known place."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks.json",
            "token_endpoint": f"{self.url}/token",
            "grant_types_supported": [_GRANTS[self.kind]],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"]
            if self.kind == "machines"
            else ["none"],
        }


class TokenService:
    """Issues access tokens (RFC 9068) for sign-ins that are right."""

    def __init__(
        self,
        url: str,
        folder: Path,
        tenants: Collection[str],
        clock: Clock,
        *,
        lifetime: timedelta = timedelta(hours=1),
    ) -> None:
        """`url`: where issuers are found, for example "http://127.0.0.1:8180/issuers"; `lifetime` of a token."""
        self.accounts = Accounts(folder, tenants, clock)
        self._clock, self._lifetime = clock, lifetime
        kinds: tuple[Kind, ...] = ("people", "machines")
        self.issuers = {
            (tenant, kind): Issuer(
                tenant, kind, f"{url}/{tenant}/{kind}", IssuerKey(folder / f"{tenant}.{kind}.jwk.json")
            )
            for tenant in tenants
            for kind in kinds
        }

    def token(self, issuer: Issuer, form: Mapping[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
        """Returns the answer to a token request. Raises OAuthError."""
        if form.get("grant_type") != _GRANTS[issuer.kind]:
            raise OAuthError("unsupported_grant_type", f"This issuer knows {_GRANTS[issuer.kind]} only.")
        audience = form.get("audience", "")
        if audience not in _AUDIENCES[issuer.kind]:
            raise OAuthError("invalid_target", "The audience is missing or not one that this issuer serves.")
        own = self._person(issuer, form) if issuer.kind == "people" else self._machine(issuer, form, basic)
        now = int(self._clock.now().timestamp())
        seconds = int(self._lifetime.total_seconds())
        claims = {
            "iss": issuer.url,
            "aud": audience,
            "iat": now,
            "exp": now + seconds,
            "jti": new_id(),
            **own,
        }
        granted = {"scope": own["scope"]} if "scope" in own else {}
        token = issuer.key.sign(claims, "at+jwt")
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, **granted}

    def _person(self, issuer: Issuer, form: Mapping[str, str]) -> dict[str, Any]:
        try:
            account, methods = self.accounts.person(
                issuer.tenant_id, form.get("username", ""), form.get("password", ""), form.get("otp")
            )
        except SignInRefused:
            raise OAuthError(
                "invalid_grant", "The name, the password or the one-time code is not right."
            ) from None
        now = int(self._clock.now().timestamp())
        return {"sub": account.name, "roles": sorted(account.roles), "amr": methods, "auth_time": now}

    def _machine(
        self, issuer: Issuer, form: Mapping[str, str], basic: tuple[str, str] | None
    ) -> dict[str, Any]:
        name, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        try:
            account = self.accounts.machine(issuer.tenant_id, name, secret)
        except SignInRefused:
            raise OAuthError("invalid_client", "The client id or its secret is not right.", 401) from None
        asked = frozenset(form.get("scope", "").split()) or account.scopes
        if not asked <= account.scopes:
            raise OAuthError("invalid_scope", "The client may not have a scope that it asks for.")
        return {"sub": account.name, "client_id": account.name, "scope": " ".join(sorted(asked))}


def issuer_app(tokens: TokenService) -> FastAPI:
    """Returns the HTTP application with the issuers of `tokens` under /issuers/<tenant>/<kind>."""
    app = FastAPI(title="Callward loopback issuer", docs_url=None, redoc_url=None, openapi_url=None)

    def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, OAuthError)
        headers = {"WWW-Authenticate": 'Basic realm="callward"'} if error.status == 401 else {}
        content = {"error": error.code, "error_description": error.description}
        return JSONResponse(content, error.status, {**headers, "Cache-Control": "no-store"})

    app.add_exception_handler(OAuthError, refused)

    def found(tenant: str, kind: Kind) -> Issuer:
        issuer = tokens.issuers.get((tenant, kind))
        if issuer is None:
            raise OAuthError("invalid_request", "There is no such issuer.", 404)
        return issuer

    @app.get("/issuers/{tenant}/{kind}/.well-known/openid-configuration")
    async def configuration(tenant: str, kind: Kind) -> dict[str, Any]:
        return found(tenant, kind).configuration()

    @app.get("/issuers/{tenant}/{kind}/jwks.json")
    async def jwks(tenant: str, kind: Kind) -> Mapping[str, Any]:
        return found(tenant, kind).key.public_set()

    @app.post("/issuers/{tenant}/{kind}/token")
    async def token(tenant: str, kind: Kind, request: Request) -> JSONResponse:
        answer = tokens.token(
            found(tenant, kind), await _form(request), _basic(request.headers.get("authorization"))
        )
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return app


async def _form(request: Request) -> Mapping[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise OAuthError("invalid_request", "The request is too large.", 413)
    try:
        fields = parse_qsl(
            body.decode("ascii"), strict_parsing=bool(body), errors="strict", max_num_fields=20
        )
    except ValueError:
        raise OAuthError("invalid_request", "The body is not of URL-encoded fields.") from None
    if len({name for name, _ in fields}) != len(fields):
        raise OAuthError("invalid_request", "A field is given twice.")
    return dict(fields)


def _basic(header: str | None) -> tuple[str, str] | None:
    """Reads client credentials of RFC 6749 section 2.3.1; None when the header is of another scheme."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, separator, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        separator, name, secret = "", "", ""
    if not separator:
        raise OAuthError("invalid_client", "The client id or its secret is not right.", 401)
    return unquote_plus(name), unquote_plus(secret)
