"""Bearer tokens (RFC 6750, RFC 9068): who stands behind one, for which tenant, and what they may.

The tenant follows from the registered pair (issuer, audience), never from a claim. Only asymmetric signatures
count. Nothing of a token reaches an error or a log.
"""

import base64
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from joserfc import jws
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from callward_common.clock import Clock
from callward_common.errors import Forbidden, Unauthenticated
from callward_common.identity import Actor, ActorKind
from callward_common.jwks import HttpJwksSource as HttpJwksSource
from callward_common.jwks import JwksSource as JwksSource
from callward_common.tenancy.model import IssuerRecord, TenantDirectory

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
MAX_TOKEN_CHARACTERS = 8192
_MAX_CLAIM_CHARACTERS = 255
# The classes of the "amr" values of RFC 8176: what one knows, has, is (NIST SP 800-63B). The others are no factors.
_FACTORS = (
    frozenset({"pwd", "pin", "kba"}),
    frozenset({"otp", "hwk", "swk", "sms", "tel", "sc", "pop"}),
    frozenset({"fpt", "face", "iris", "vbm"}),
)


class _TokenError(Unauthenticated):
    @property
    def http_headers(self) -> Mapping[str, str]:
        """The challenge of RFC 6750 section 3, with its reason."""
        return {"WWW-Authenticate": f'Bearer realm="callward", {self.challenge}'}

    challenge = 'error="invalid_token"'


class TokenMissing(Unauthenticated):
    """There is no bearer token."""

    type = "token-missing"


class TokenInvalid(_TokenError):
    """The token is not one that counts here. Which check failed is not told."""

    type = "token-invalid"


class TokenExpired(_TokenError):
    """The token is genuine and its time is over."""

    type = "token-expired"


class MfaRequired(_TokenError):
    """The sign-in behind the token was not by several factors (RFC 9470)."""

    type = "mfa-required"
    challenge = (
        'error="insufficient_user_authentication", '
        'acr_values="http://schemas.openid.net/pape/policies/2007/06/multi-factor"'
    )


class ScopeMissing(Forbidden):
    """The token does not carry the scope that the act needs."""

    type = "scope-missing"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """The challenge of RFC 6750 section 3.1."""
        scope = self.extra.get("scope", "")
        return {"WWW-Authenticate": f'Bearer realm="callward", error="insufficient_scope", scope="{scope}"'}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified token stands for. `token` is kept to be passed on, and never shown."""

    tenant_id: str
    actor: Actor
    roles: frozenset[str]
    scopes: frozenset[str]
    mfa: bool
    audience: str
    expires_at: datetime
    token: str = field(repr=False)

    def demand_mfa(self) -> None:
        """Raises MfaRequired unless the sign-in was by several factors."""
        if not self.mfa:
            raise MfaRequired("This needs a sign-in with a second factor.")

    def demand_scope(self, scope: str) -> None:
        """Raises ScopeMissing unless the token carries `scope`, a constant of the caller's."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This needs the scope {scope}.", extra={"scope": scope})


class TokenVerifier:
    """Verifies bearer tokens. Whatever is wrong with one, it raises TokenMissing, TokenInvalid or TokenExpired."""

    def __init__(
        self,
        tenants: TenantDirectory,
        jwks: JwksSource,
        clock: Clock,
        *,
        leeway: timedelta = timedelta(seconds=30),
    ) -> None:
        """`leeway`: how far the issuer's clock may differ from ours."""
        self._tenants, self._jwks, self._clock, self._leeway = tenants, jwks, clock, leeway.total_seconds()

    async def verify(
        self,
        authorization: str | None,
        *,
        audiences: Collection[str],
        kind: Literal["people", "machines"] | None,
    ) -> Principal:
        """Gives the principal of an Authorization header.

        `audiences`: those of this door; `kind`: whose tokens it takes (None: both). Unavailable is raised when the
        issuer's keys or the tenants cannot be read.
        """
        token = _bearer_token(authorization)
        claims = _peek(token)
        named = _audiences(claims) & frozenset(audiences)
        tenant = await self._tenants.by_issuer(_text(claims, "iss"), named)
        if tenant is None or not tenant.active:
            raise _invalid()
        issuer = next((i for i in tenant.issuers if i.issuer == claims["iss"] and i.audiences & named), None)
        if issuer is None or (kind is not None and issuer.kind != kind):
            raise _invalid()
        # What was read before the signature was checked chose the key and is the same text: nothing else is used.
        await self._check_signature(token, issuer)
        expires_at = self._check_times(claims)
        actor_kind = ActorKind.person if issuer.kind == "people" else ActorKind.machine
        return Principal(
            tenant_id=tenant.tenant_id,
            actor=Actor(actor_kind, _text(claims, "sub"), issuer.issuer),
            roles=_roles(claims, issuer.roles_claim),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            mfa=issuer.kind == "people" and _multi_factor(claims, issuer),
            audience=min(issuer.audiences & named),
            expires_at=expires_at,
            token=token,
        )

    async def _check_signature(self, token: str, issuer: IssuerRecord) -> None:
        keys = await self._jwks.keys(issuer.jwks_uri)
        if not _signed_by(token, keys):
            keys = await self._jwks.keys(issuer.jwks_uri, refresh=True)
            if not _signed_by(token, keys):
                raise _invalid()

    def _check_times(self, claims: Mapping[str, Any]) -> datetime:
        now = self._clock.now().timestamp()
        expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
        not_before = _seconds(claims, "nbf") if "nbf" in claims else issued
        if max(issued, not_before) > now + self._leeway:
            raise _invalid()
        if expires <= now - self._leeway:
            raise TokenExpired("The token has expired.")
        try:
            return datetime.fromtimestamp(expires, UTC)
        except (ValueError, OverflowError, OSError):
            raise _invalid() from None


def _invalid() -> TokenInvalid:
    return TokenInvalid("The token is not valid here.")


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing("A bearer token is needed.")
    return token.strip()


def _peek(token: str) -> dict[str, Any]:
    """Reads the claims without believing them. Three parts: a signed token, never an encrypted one."""
    try:
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii() or token.count(".") != 2:
            raise _invalid()
        payload = token.split(".")[1]
        claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), b"-_", validate=True))
    except (ValueError, RecursionError):
        raise _invalid() from None
    if not isinstance(claims, dict):
        raise _invalid()
    return claims


def _signed_by(token: str, keys: KeySet) -> bool:
    """Says whether a key of the set signed the token. False for an unknown key: it may have been rotated in."""
    try:
        registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        jws.deserialize_compact(token, keys, registry=registry)
    except InvalidKeyIdError:
        return False
    except Exception:  # whatever a hostile token makes the library raise, the token is refused
        raise _invalid() from None
    return True


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _MAX_CLAIM_CHARACTERS:
        raise _invalid()
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _invalid()
    return float(value)


def _texts(value: Any) -> frozenset[str]:
    return (
        frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()
    )


def _audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    value = claims.get("aud")
    return frozenset({value}) if isinstance(value, str) else _texts(value)


def _roles(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """Reads the roles from a claim, or from a path such as "realm_access.roles"."""
    if path in claims:
        return _texts(claims[path])
    value: Any = claims
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return _texts(value)


def _multi_factor(claims: Mapping[str, Any], issuer: IssuerRecord) -> bool:
    methods = _texts(claims.get("amr"))
    if issuer.mfa_methods:
        return not methods.isdisjoint(issuer.mfa_methods)
    return "mfa" in methods or sum(not methods.isdisjoint(factor) for factor in _FACTORS) >= 2
