"""A body cut into parts: the chunks of one request, up to where a part has to end."""

import asyncio
from collections.abc import AsyncGenerator

from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_ingest.app.intake import Intake
from callward_ingest.app.limits import PartLimits
from callward_ingest.app.sessions import Session


class Interruption:
    """Tells a running append to end: what has come is kept, and the sender is told why it was ended."""

    def __init__(self) -> None:
        self._error: CallwardError | None = None
        self._set = asyncio.Event()

    def interrupt(self, error: CallwardError) -> None:
        """Ends the append with this error; the first one counts."""
        self._error = self._error or error
        self._set.set()

    @property
    def error(self) -> CallwardError | None:
        """Why the append is to end; None while it may go on."""
        return self._error

    async def wait(self) -> None:
        """Returns once the append is to end."""
        await self._set.wait()


class Feed:
    """The chunks of one body, as they are to be stored.

    A body that breaks off ends the part instead of failing it: `broken` says why, and what came before is kept.
    Where everything depends on the end (`whole`), it fails.
    """

    def __init__(
        self,
        intake: Intake,
        session: Session,
        interruption: Interruption,
        clock: Clock,
        limits: PartLimits,
        *,
        whole: bool,
    ) -> None:
        self._intake, self._session, self._interruption = intake, session, interruption
        self._clock, self._limits, self._whole = clock, limits, whole
        self._chunks = intake.chunks()
        self._pending: asyncio.Task[bytes] | None = None
        self._first: bytes | None = None
        self._interrupted = asyncio.ensure_future(interruption.wait())
        self.broken: CallwardError | None = None
        self.ended = False

    async def more(self) -> bool:
        """Tells whether there is another byte; the chunk that says so is the next part's first."""
        while self._first is None and not self.ended:
            self._first = await self._next(None)
        return self._first is not None

    async def part(self) -> AsyncGenerator[bytes, None]:
        """Yields the chunks of the next part."""
        began, size = self._clock.monotonic(), 0
        while not self.ended or self._first is not None:
            chunk, self._first = self._first, None
            if chunk is None:
                left = None if self._whole else max(0.0, began + self._limits.age - self._clock.monotonic())
                chunk = await self._next(left)
            if chunk is not None:
                size += len(chunk)
                yield await self._session.take(chunk)
            if not self._whole and size and self._due(size, self._clock.monotonic() - began):
                return

    async def close(self) -> None:
        """Lets go of the body, also in the middle of a wait for it."""
        for task in (self._pending, self._interrupted):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await self._chunks.aclose()

    def _due(self, size: int, age: float) -> bool:
        limits = self._limits
        if size >= limits.size or age >= limits.age:
            return True
        return size >= limits.live_size and age >= limits.live_age

    async def _next(self, timeout: float | None) -> bytes | None:
        """Returns the next chunk; None when the time is over or the body has ended or broken off."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(anext(self._chunks))
        # A chunk that is there counts before an interruption: the sender has sent it.
        await asyncio.wait(
            {self._pending, self._interrupted}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        chunk: bytes | None = None
        if self._pending.done():
            task, self._pending = self._pending, None
            chunk = self._taken(task)
        if self._interruption.error is not None and not self.ended:
            self._break(self._interruption.error)
        return chunk

    def _taken(self, task: asyncio.Task[bytes]) -> bytes | None:
        try:
            return task.result()
        except StopAsyncIteration:
            self.ended = True
        except CallwardError as error:
            self._break(error)
        return None

    def _break(self, error: CallwardError) -> None:
        if self._whole:
            raise error
        self.ended, self.broken = True, error
