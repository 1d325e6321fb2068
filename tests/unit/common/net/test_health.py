"""The loop watchdog, by the clock that is passed in."""

import asyncio
from datetime import timedelta

import httpx

from callward_common.http.health import LoopWatchdog, health_app
from tests.support.clock import ManualClock


async def _nothing() -> dict[str, bool]:
    return {}


def test_a_loop_that_stood_still_is_noticed_until_it_beats_again() -> None:
    async def body() -> None:
        clock = ManualClock()
        watchdog = LoopWatchdog(clock, limit_seconds=10, interval_seconds=0.01)
        transport = httpx.ASGITransport(app=health_app(watchdog, _nothing))
        async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
            assert (await client.get("/livez")).status_code == 200
            clock.advance(timedelta(seconds=11))
            stalled = await client.get("/livez")
            assert (stalled.status_code, stalled.json()) == (503, {"status": "stalled"})
            stop = asyncio.Event()
            beating = asyncio.create_task(watchdog.run(stop))
            while not watchdog.alive():  # noqa: ASYNC110  # it is the beat itself that is waited for
                await asyncio.sleep(0)
            assert (await client.get("/livez")).status_code == 200
            stop.set()
            await asyncio.wait_for(beating, 5)

    asyncio.run(body())
