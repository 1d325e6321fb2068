"""The public signing keys as a JSON Web Key Set (RFC 7517, RFC 8037), kept in memory for a while."""

import asyncio
import logging

from callward_common.clock import Clock
from callward_common.errors import CallwardError, JsonValue
from callward_ingest.app.answers import base64url
from callward_ingest.domain.keys import PublicKey
from callward_ingest.ports import SigningKeys

_log = logging.getLogger(__name__)


class Directory:
    """Serves the key set; asks key-management at most once in `max_age` seconds. Old keys stay valid when it is away."""

    def __init__(self, signing_keys: SigningKeys, clock: Clock, *, max_age: float) -> None:
        self._signing_keys = signing_keys
        self._clock = clock
        self._max_age = max_age
        self._lock = asyncio.Lock()
        self._cached: dict[str, JsonValue] | None = None
        self._read_at = 0.0

    async def jwks(self) -> dict[str, JsonValue]:
        """Returns the key set. Raises what key-management raised when nothing was ever read."""
        async with self._lock:
            now = self._clock.monotonic()
            cached = self._cached
            if cached is None or now - self._read_at >= self._max_age:
                cached = await self._read(cached)
                self._cached, self._read_at = cached, now
            return cached

    async def _read(self, cached: dict[str, JsonValue] | None) -> dict[str, JsonValue]:
        try:
            keys = await self._signing_keys.list_keys()
        except CallwardError as error:
            if cached is None:
                raise
            _log.warning("signing keys not refreshed", extra={"problem_type": error.type})
            return cached
        return {"keys": [_jwk(key) for key in keys]}


def _jwk(key: PublicKey) -> dict[str, JsonValue]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": key.key_id,
        "x": base64url(key.public_key),
        "callward_document_type": key.document_type,
    }
