"""Which appends run in this process: one at a time for an upload, a bounded number for a tenant and in all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from callward_ingest.app.feed import Interruption
from callward_ingest.app.limits import Limits
from callward_ingest.domain.errors import TooManyUploads, UploadFailed, UploadInterrupted, UploadsBusy


class Running:
    """The requests that bring bytes in. A newer one for the same upload ends the older one first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._under_way: dict[str, Interruption] = {}
        self._whole_or_nothing: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._earlier: dict[str, list[Interruption]] = {}
        self._of_tenant: Counter[str] = Counter()
        #: Set once the platform stops: uploads that can go on later end now.
        self.stopping = asyncio.Event()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncIterator[None]:
        """Takes a place among the parallel uploads. Raises UploadsBusy, or TooManyUploads for the tenant's share."""
        retry_after = self._limits.retry_after_seconds
        if self._of_tenant.total() >= self._limits.max_parallel_uploads:
            raise UploadsBusy("As many uploads are under way here as may be.", retry_after=retry_after)
        if self._of_tenant[tenant] >= self._limits.max_tenant_uploads:
            raise TooManyUploads(
                "As many of the tenant's uploads are under way here as may be.", retry_after=retry_after
            )
        self._of_tenant[tenant] += 1
        try:
            yield
        finally:
            self._of_tenant[tenant] -= 1
            if not self._of_tenant[tenant]:
                del self._of_tenant[tenant]

    @asynccontextmanager
    async def alone(self, upload_id: str, *, whole: bool = False) -> AsyncIterator[Interruption]:
        """Ends what runs for the upload, waits for it, and keeps others from it within the block.

        `whole`: an upload that cannot go on later; when the platform stops it is given time.
        """
        mine = Interruption()
        earlier = self._earlier.setdefault(upload_id, [])
        # Those that wait for their turn too: nobody waits for a body that a newer request has made void.
        for each in earlier:
            each.interrupt(
                UploadInterrupted(
                    "A newer request took the upload over.", retry_after=self._limits.retry_after_seconds
                )
            )
        lock = self._locks.setdefault(upload_id, asyncio.Lock())
        earlier.append(mine)
        try:
            async with lock:
                self._under_way[upload_id] = mine
                if whole:
                    self._whole_or_nothing.add(upload_id)
                elif self.stopping.is_set():
                    mine.interrupt(self._stopped())
                try:
                    yield mine
                finally:
                    del self._under_way[upload_id]
                    self._whole_or_nothing.discard(upload_id)
                    self._changed.set()
        finally:
            earlier.remove(mine)
            if not earlier:
                del self._earlier[upload_id], self._locks[upload_id]

    def runs(self, upload_id: str) -> bool:
        """Tells whether something runs for the upload in this process."""
        return upload_id in self._under_way

    def runs_whole(self, upload_id: str) -> bool:
        """Tells whether an upload that cannot go on later runs in this process."""
        return upload_id in self._whole_or_nothing

    async def stop(self, patience: float) -> None:
        """Ends everything that can be resumed at once, and the rest when it has not ended within `patience` seconds."""
        self.stopping.set()
        for upload_id, running in self._under_way.items():
            if upload_id not in self._whole_or_nothing:
                running.interrupt(self._stopped())
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._whole_or_nothing:
                    self._changed.clear()
                    await self._changed.wait()
        for upload_id in tuple(self._whole_or_nothing):
            self._under_way[upload_id].interrupt(
                UploadFailed(
                    "The platform stops, and nothing of the body is kept. Send it again with the same key.",
                    retry_after=self._limits.retry_after_seconds,
                )
            )

    def _stopped(self) -> UploadInterrupted:
        return UploadInterrupted(
            "The platform stops. What was acknowledged is kept: resume the upload.",
            retry_after=self._limits.retry_after_seconds,
        )


class StopUploads:
    """A consumer to the host, which ends consumers first: uploads end while the doors still answer."""

    name = "stop-uploads"

    def __init__(self, running: Running, *, patience: float) -> None:
        """`patience` in seconds: for uploads that cannot be resumed."""
        self._running, self._patience = running, patience

    async def run(self, stop: asyncio.Event) -> None:
        """Waits for the end, then ends what can be resumed."""
        await stop.wait()
        await self._running.stop(self._patience)
