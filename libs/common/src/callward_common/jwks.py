"""The public keys of issuers (RFC 7517), fetched, bounded and cached."""

import asyncio
import ipaddress
import json
import logging
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from callward_common.clock import Clock
from callward_common.errors import Unavailable

MAX_BYTES, MAX_KEYS = 256 * 1024, 100
#: Seconds: a set is fetched again after, not more often than, and not used any longer than.
FRESH_SECONDS, REFRESH_SECONDS, STALE_SECONDS = 300.0, 10.0, 3600.0
_ASYMMETRIC = ("RSA", "EC", "OKP")
_UNREADABLE = (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, TypeError, KeyError, RecursionError)
_log = logging.getLogger(__name__)


class JwksSource(Protocol):
    """Gives the keys of an issuer."""

    async def keys(self, jwks_uri: str, *, refresh: bool = False) -> KeySet:
        """Returns the asymmetric signing keys; `refresh` asks for a set that has a key rotated in just now.

        Raises Unavailable when there are none to be had.
        """
        ...


class HttpJwksSource:
    """A JwksSource over HTTPS (plain HTTP from the loopback only), without redirects."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock) -> None:
        """The client's time-outs apply; who made the client closes it."""
        self._client, self._clock = client, clock
        self._sets: dict[str, tuple[float, KeySet]] = {}
        self._tried: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def keys(self, jwks_uri: str, *, refresh: bool = False) -> KeySet:
        """Returns the keys. One fetch at a time for each URI, and no more often than every ten seconds."""
        async with self._locks.setdefault(jwks_uri, asyncio.Lock()):
            now = self._clock.monotonic()
            fetched, known = self._sets.get(jwks_uri, (-STALE_SECONDS, None))
            due = refresh or now - fetched > FRESH_SECONDS or known is None
            if due and now - self._tried.get(jwks_uri, -REFRESH_SECONDS) >= REFRESH_SECONDS:
                self._tried[jwks_uri] = now
                try:
                    known, fetched = await self._fetch(jwks_uri), now
                except _UNREADABLE as error:
                    _log.warning("an issuer's keys cannot be fetched", exc_info=error)
                else:
                    self._sets[jwks_uri] = (now, known)
            if known is None or now - fetched > STALE_SECONDS:
                raise Unavailable("The issuer's keys cannot be read.", retry_after=REFRESH_SECONDS)
            return known

    async def _fetch(self, uri: str) -> KeySet:
        _demand_secure(uri)
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        async with self._client.stream("GET", uri, headers=headers, follow_redirects=False) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError("not 200")
            # A little that is unpacked may be very much.
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise ValueError("compressed")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("too long")
        return read_key_set(body)


def read_key_set(document: bytes) -> KeySet:
    """Gives the asymmetric signing keys of a JWKS document; raises ValueError or JoseError when it is none."""
    found = json.loads(document)["keys"]
    usable = [
        k
        for k in found
        if isinstance(k, dict) and k.get("kty") in _ASYMMETRIC and k.get("use", "sig") == "sig"
    ]
    if len(found) > MAX_KEYS:
        raise ValueError("too many keys")
    return KeySet.import_key_set({"keys": usable})


def _demand_secure(uri: str) -> None:
    parts = urlsplit(uri)
    plain = parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    if parts.scheme != "https" and not plain:
        raise ValueError("keys are fetched over HTTPS")
