"""On a real HTTP server: a client that goes away, and what is on record of it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from callward_common.runtime.web import WebServer
from tests.integration.access.world import World
from tests.unit.access.sealing import noise

#: Two minutes at 16,000 bytes a second: the lead is served at once, the rest would take forty-five seconds.
CALL = noise(120 * 16_000)


@pytest.fixture
async def address(access: World) -> AsyncIterator[str]:
    assert access.service.http is not None
    server = WebServer(access.service.http, "127.0.0.1:0", grace=1)
    await server.start()
    yield server.address
    await server.stop()


async def test_a_client_that_goes_away_in_a_paced_wait_is_on_record(access: World, address: str) -> None:
    opened = (await access.opened(await access.add(CALL, pace=16_000))).json()
    received = 0
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client,
        client.stream("GET", opened["mediaPath"], headers=access.bearer()) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(len(CALL))
        async for chunk in answer.aiter_raw():
            assert CALL[received : received + len(chunk)] == chunk
            received += len(chunk)
            if received > 300_000:
                break
    (served,) = await access.events("MediaServed")
    assert (served.session_id, served.first_byte) == (opened["sessionId"], 0)
    assert received <= served.byte_count <= 30 * 16_000 + 65_520 < len(CALL)
    # The session outlives the connection: who comes back goes on.
    again = await access.call("GET", opened["mediaPath"], access.bearer() | {"Range": "bytes=0-99"})
    assert again.content == CALL[:100]


async def test_head_and_range_over_the_wire(access: World, address: str) -> None:
    opened = (await access.opened(await access.add(CALL, pace=16_000))).json()
    async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        head = await client.head(opened["mediaPath"], headers=access.bearer())
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(CALL)))
        ranged = await client.get(
            opened["mediaPath"], headers=access.bearer() | {"Range": "bytes=48000-95999"}
        )
        assert (ranged.status_code, ranged.content) == (206, CALL[48_000:96_000])
