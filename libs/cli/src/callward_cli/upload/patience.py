"""How long to wait before another try: exponential with jitter, or as long as the platform wishes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from callward_cli.upload.errors import GivenUp, Interrupted
from callward_common.clock import Clock

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 60.0
Sleep = Callable[[float], Awaitable[object]]


class Patience:
    """Counts tries since something last came through. One of these for each file."""

    def __init__(
        self,
        clock: Clock,
        retry_for: float,
        *,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`retry_for`: seconds without any progress after which it is given up; `chance` gives 0 to 1."""
        self._clock, self._retry_for, self._sleep, self._chance = clock, retry_for, sleep, chance
        self._tries, self._since = 0, 0.0

    def came_through(self) -> None:
        """Note progress: the next break is a first one again."""
        self._tries = 0

    async def wait(self, broken: Interrupted, said: Callable[[float, str], None]) -> None:
        """Wait until the next try; `said` is told how long and why. Raises GivenUp when it has been long enough."""
        now = self._clock.monotonic()
        if self._tries == 0:
            self._since = now
        backoff = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._tries) * (0.5 + self._chance() / 2)
        self._tries = min(self._tries + 1, 30)
        left = self._retry_for - (now - self._since)
        if left <= 0:
            raise GivenUp(f"{broken.reason}; tried for {self._retry_for:g} s without progress")
        pause = min(max(backoff, broken.retry_after or 0.0), left)
        said(pause, broken.reason)
        await self._sleep(pause)
