"""Key sets over HTTP: cached, bounded, refreshed seldom, and never a secret key or a redirect."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import pytest

from callward_common.errors import Unavailable
from callward_common.jwks import MAX_BYTES, HttpJwksSource, read_key_set
from tests.support.clock import ManualClock
from tests.support.tokens import StaticIssuer

URI = "https://issuer.example/jwks"


class _Raw(httpx.AsyncByteStream):
    """Bytes as they come over the network."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


class _Server:
    def __init__(self) -> None:
        self.clock, self.fetches = ManualClock(), 0
        self.issuer = StaticIssuer("https://issuer.example", self.clock)
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, content=self.issuer.jwks())
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._handle))
        self.source = HttpJwksSource(client, self.clock)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.fetches += 1
        return self.answer()

    def kids(self, *, refresh: bool = False, uri: str = URI) -> list[str | None]:
        return [key.kid for key in asyncio.run(self.source.keys(uri, refresh=refresh))]


def test_fetched_once_and_again_when_old() -> None:
    server = _Server()
    assert server.kids() == server.kids() == ["key-1"]
    assert server.fetches == 1
    server.clock.advance(timedelta(minutes=6))
    server.kids()
    assert server.fetches == 2


def test_refresh_is_rate_limited() -> None:
    server = _Server()
    server.kids()
    server.issuer.rotate("key-2")
    assert server.kids(refresh=True) == ["key-1"]
    server.clock.advance(timedelta(seconds=10))
    assert server.kids(refresh=True) == ["key-2"]
    for _ in range(20):
        server.kids(refresh=True)
    assert server.fetches == 2


def test_an_outage_is_bridged_for_an_hour_and_no_longer() -> None:
    server = _Server()
    server.kids()
    server.answer = lambda: httpx.Response(500)
    server.clock.advance(timedelta(minutes=59))
    assert server.kids() == ["key-1"]
    server.clock.advance(timedelta(minutes=2))
    with pytest.raises(Unavailable):
        server.kids()


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(404),
        httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b'{"keys": 3}'),
        httpx.Response(200, content=b'{"keys": []}'),
        httpx.Response(200, content=b'{"keys": [null]}'),
        httpx.Response(200, content=b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "key-1"}]}'),
        httpx.Response(200, content=b'{"keys": [{"kty": "EC"}]}'),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, content=b" " * (MAX_BYTES + 1)),
    ],
)
def test_anything_but_a_key_set_is_unavailable(response: httpx.Response) -> None:
    server = _Server()
    server.answer = lambda: response
    with pytest.raises(Unavailable):
        server.kids()


def test_what_is_compressed_is_not_unpacked() -> None:
    server, unpacked = _Server(), len(b" " * (MAX_BYTES * 40))
    small = gzip.compress(server.issuer.jwks() + b" " * unpacked)
    assert len(small) < MAX_BYTES
    server.answer = lambda: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=_Raw(small))
    tracemalloc.start()
    with pytest.raises(Unavailable):
        server.kids()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < unpacked


def test_plain_http_is_for_the_loopback_only() -> None:
    server = _Server()
    assert server.kids(uri="http://127.0.0.1:9/jwks") == ["key-1"]
    for uri in (
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "x",
    ):
        with pytest.raises(Unavailable):
            server.kids(uri=uri)


def test_keys_for_encryption_are_left_out_and_too_many_refused() -> None:
    key = json.loads(StaticIssuer("https://i.example", ManualClock()).jwks())["keys"][0]
    other = {**key, "use": "enc", "kid": "other"}
    assert [k.kid for k in read_key_set(json.dumps({"keys": [key, other]}).encode())] == ["key-1"]
    with pytest.raises(ValueError, match="many"):
        read_key_set(json.dumps({"keys": [key] * 101}).encode())
