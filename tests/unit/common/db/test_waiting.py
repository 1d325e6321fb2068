"""Waiting and backing off."""

import asyncio

from callward_common.db.waiting import Backoff, wait_for_any


async def test_the_first_event_ends_the_wait() -> None:
    never, soon = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(wait_for_any(never, soon, within=60))
    await asyncio.sleep(0)
    assert not waiting.done()
    soon.set()
    async with asyncio.timeout(5):
        await waiting


async def test_the_time_ends_the_wait_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    await wait_for_any(asyncio.Event(), within=0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


def test_a_backoff_doubles_to_its_limit_and_starts_again() -> None:
    backoff = Backoff(first=0.5, limit=3.0)
    assert [backoff.failed() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.succeeded()
    assert backoff.failed() == 0.5
    assert [backoff.failed() for _ in range(2000)][-1] == 3.0
