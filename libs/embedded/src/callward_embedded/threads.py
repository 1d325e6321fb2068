"""Blocking work in a bounded pool of threads, never abandoned half-way."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """A pool of threads. What was begun in one is finished before its caller goes on, also when it is cancelled.

    Otherwise a cancelled caller would close a file that a thread still writes to, and the number of that file would
    by then be another one's.
    """

    def __init__(self, workers: int) -> None:
        """`workers`: how many at once; the others wait."""
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="callward-files")

    async def run(self, work: Callable[[], T], *, undo: Callable[[T], object] | None = None) -> T:
        """Returns what `work` returns or raises what it raises; CancelledError once `work` has ended.

        `undo` is given the result that a cancelled caller does not get.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if future.exception() is None and undo is not None:
                undo(future.result())
            raise cancelled
        return future.result()

    def close(self) -> None:
        """Waits for what is under way and ends the threads."""
        self._pool.shutdown()
