"""Waiting for whatever comes first."""

import asyncio


async def wait_for_any(*events: asyncio.Event, within: float) -> None:
    """Returns when one of the events is set, after `within` seconds at the latest."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


class Backoff:
    """Seconds to wait after the first, second, … failure in a row: doubling up to a limit."""

    def __init__(self, *, first: float = 0.1, limit: float = 5.0) -> None:
        """Starts with no failure."""
        self._first = first
        self._limit = limit
        self._failures = 0

    def failed(self) -> float:
        """Counts a failure and returns how long to wait."""
        self._failures += 1
        return min(self._first * 2.0 ** min(self._failures - 1, 30), self._limit)

    def succeeded(self) -> None:
        """Forgets the failures."""
        self._failures = 0
