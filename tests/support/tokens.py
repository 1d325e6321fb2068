"""An issuer of tokens for tests: makes keys, signs whatever claims it is given, publishes its key set."""

import json
from collections.abc import Iterable
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from callward_common.clock import Clock
from callward_common.errors import Unavailable
from callward_common.jwks import read_key_set
from tests.support.tenants import JWKS_MACHINES, JWKS_PEOPLE, MACHINES_ISSUER, PEOPLE_ISSUER

Key = ECKey | OKPKey | RSAKey


def make_key(algorithm: str = "ES256", kid: str = "key-1") -> Key:
    """Makes a private key for one of the accepted algorithms."""
    parameters: Any = {"kid": kid, "use": "sig"}
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters)
    if algorithm.startswith("Ed"):
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


class StaticIssuer:
    """An issuer with one key. `claims` of a token are sensible unless overridden; None takes one away."""

    def __init__(self, issuer: str, clock: Clock, *, algorithm: str = "ES256", kid: str = "key-1") -> None:
        """Makes the key."""
        self.issuer, self.algorithm, self._clock = issuer, algorithm, clock
        self.jwks_uri = f"{issuer}/jwks"
        self.key = make_key(algorithm, kid)

    @classmethod
    def people(cls, clock: Clock) -> "StaticIssuer":
        """The issuer of MERCY's people."""
        return cls(PEOPLE_ISSUER, clock)

    @classmethod
    def machines(cls, clock: Clock) -> "StaticIssuer":
        """The issuer of MERCY's machines."""
        return cls(MACHINES_ISSUER, clock)

    def rotate(self, kid: str) -> None:
        """Replaces the key."""
        self.key = make_key(self.algorithm, kid)

    def jwks(self) -> bytes:
        """Gives the published document."""
        return json.dumps(KeySet([self.key]).as_dict(private=False)).encode()

    def token(self, audience: str | list[str], subject: str = "someone", **claims: Any) -> str:
        """Signs a token of ten minutes."""
        now = int(self._clock.now().timestamp())
        body = {"iss": self.issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + 600, **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": self.algorithm, "kid": self.key.kid}, kept, self.key, [self.algorithm])

    def bearer(self, audience: str | list[str], subject: str = "someone", **claims: Any) -> str:
        """Signs a token and gives the value of the Authorization header."""
        return f"Bearer {self.token(audience, subject, **claims)}"


class StaticJwksSource:
    """A JwksSource over issuers in this process. A rotated key is seen after a refresh only, as over HTTP."""

    def __init__(self, issuers: Iterable[StaticIssuer]) -> None:
        """Issuers are found by their `jwks_uri`."""
        self._issuers = {issuer.jwks_uri: issuer for issuer in issuers}
        self._seen: dict[str, bytes] = {}
        self.refreshes = 0

    async def keys(self, jwks_uri: str, *, refresh: bool = False) -> KeySet:
        """Returns the key set; Unavailable for an unknown URI."""
        if jwks_uri not in self._issuers:
            raise Unavailable("There is no such issuer.")
        self.refreshes += refresh
        if refresh or jwks_uri not in self._seen:
            self._seen[jwks_uri] = self._issuers[jwks_uri].jwks()
        return read_key_set(self._seen[jwks_uri])


__all__ = ["JWKS_MACHINES", "JWKS_PEOPLE", "Key", "StaticIssuer", "StaticJwksSource", "make_key"]
