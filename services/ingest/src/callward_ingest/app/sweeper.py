"""Comes back to uploads that nobody finished: lost, expired, whole but not sealed, ended but not cleaned away."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta

from callward_common.clock import Clock
from callward_common.db.waiting import wait_for_any
from callward_ingest.app.completing import Completing
from callward_ingest.app.endings import Endings
from callward_ingest.app.running import Running
from callward_ingest.app.sessions import Sessions
from callward_ingest.domain.uploads import GIVEN_UP, Upload, UploadState
from callward_ingest.ports import Units, WorkList

_log = logging.getLogger(__name__)
_AT_ONCE = 50


class Sweeper:
    """Looks at uploads that are due. Several may run: what one has taken the others leave alone for a while."""

    name = "upload-sweeper"

    def __init__(
        self,
        *,
        work: WorkList,
        units: Units,
        completing: Completing,
        endings: Endings,
        sessions: Sessions,
        running: Running,
        clock: Clock,
        interval: float,
        lease: timedelta = timedelta(minutes=1),
    ) -> None:
        """`interval`: seconds between two looks; `lease`: how long a failed step is left alone before the next try."""
        self._work, self._units, self._completing, self._endings = work, units, completing, endings
        self._sessions, self._running, self._clock = sessions, running, clock
        self._interval, self._lease = interval, lease

    async def run(self, stop: asyncio.Event) -> None:
        """Sweeps until the end."""
        while not stop.is_set():
            try:
                await self.sweep(stop)
            except Exception:
                _log.exception("the sweep failed and is tried again")
            await wait_for_any(stop, within=self._interval)

    async def sweep(self, stop: asyncio.Event | None = None) -> Counter[str]:
        """Does what is due, until `stop` is set; returns how many uploads came to what, by a stable code."""
        done: Counter[str] = Counter()
        await self._sessions.drop_idle()
        await self._endings.make_up()
        # What fails slowly is due again before the sweep ends, and is left to the next one.
        began = self._clock.now()
        while True:
            due = await self._work.take(began, self._clock.now() + self._lease, _AT_ONCE)
            for tenant, upload_id in due:
                if stop is not None and stop.is_set():
                    return done
                done[await self._look(tenant, upload_id)] += 1
            if len(due) < _AT_ONCE:
                break
        if done:
            _log.info("uploads were swept", extra={"counts": dict(done)})
        return done

    async def _look(self, tenant: str, upload_id: str) -> str:
        if self._running.runs_whole(upload_id):
            # Its process is this one: it is late, not lost.
            return "under-way"
        try:
            async with self._running.alone(upload_id):
                async with self._units.begin(tenant) as unit:
                    upload = await unit.uploads.find(upload_id)
                    if upload is None:
                        await unit.uploads.settled(upload_id)
                        return "unknown"
                return await self._go_on(upload)
        except Exception:
            _log.exception("an upload could not be swept", extra={"recording_id": upload_id})
            return "failed"

    async def _go_on(self, upload: Upload) -> str:
        if upload.state is UploadState.receiving:
            return await self._end(upload)
        if upload.state is UploadState.completing:
            await self._completing.finish(upload)
            return "sealed"
        if upload.state in GIVEN_UP:
            cleaned = await self._endings.clean(upload, upload.state, upload.reason or upload.state.value)
            return "cleaned" if cleaned else "failed"
        await self._completing.clean(upload)
        return "settled"

    async def _end(self, upload: Upload) -> str:
        if not upload.resumable:
            # Nobody has prolonged the hold on its key: the process that took it in is gone.
            await self._endings.end(upload, UploadState.failed, "attempt-lost")
            return "lost"
        if self._clock.now() >= upload.expires_at:
            await self._endings.end(upload, UploadState.expired, "upload-expired")
            return "expired"
        async with self._units.begin(upload.tenant) as unit:
            await unit.uploads.due(upload.upload_id, upload.expires_at)
        return "early"
