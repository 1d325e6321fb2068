"""Runs services in one event loop: ordered start, ordered drain, and an end as soon as any child crashes."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from callward_common.clock import Clock, SystemClock
from callward_common.http.health import LoopWatchdog
from callward_common.runtime.running import Addresses as Addresses
from callward_common.runtime.running import Hosted as Hosted
from callward_common.runtime.running import Running
from callward_common.runtime.service import Runnable
from callward_common.telemetry import logging as logs
from callward_common.telemetry import tracing

_log = logging.getLogger(__name__)


class HostFailed(Exception):
    """A child crashed, and the host has drained and stopped. The process has to end non-zero."""


class Host:
    """Hosts one or several services. Its order is architecture section 7's; a stage is done for all before the next.

    Start: management · gRPC (NOT_SERVING) · consumers and background · HTTP · SERVING. Drain: health off and
    `/readyz` 503 · `drain_delay` · consumers · gRPC and HTTP together, within `grace` · background (the relay
    flushes) · the services' `close` · management · telemetry. Consumers, servers and background have `grace` each.
    """

    def __init__(
        self,
        hosted: Sequence[Hosted],
        *,
        drain_delay: float = 5.0,
        grace: float = 20.0,
        clock: Clock | None = None,
        on_bound: Callable[[Mapping[str, Addresses]], None] | None = None,
    ) -> None:
        """Times are in seconds. `on_bound` is told the addresses before anything runs that calls a neighbour."""
        self._hosted, self._drain_delay, self._grace, self._on_bound = hosted, drain_delay, grace, on_bound
        self._watchdog = LoopWatchdog(clock or SystemClock())
        self._running: list[Running] = []
        self._tasks: dict[str, list[asyncio.Task[None]]] = {"consumers": [], "background": [], "watchdog": []}
        self._stops = {stage: asyncio.Event() for stage in self._tasks}
        self._stopping, self._ended = False, asyncio.Event()
        self._failure: tuple[str, BaseException | None] | None = None

    async def start(self) -> Mapping[str, Addresses]:
        """Returns the addresses by service name once everything serves. A failure stops what had started."""
        try:
            for hosted in self._hosted:
                self._running.append(Running(hosted, self._watchdog, grace=self._grace))
            addresses = {running.service.name: running.addresses for running in self._running}
            if self._on_bound is not None:
                self._on_bound(addresses)
            await self._start_in_order()
        except BaseException:
            await self.stop()
            raise
        _log.info("serving", extra={"addresses": {name: vars(bound) for name, bound in addresses.items()}})
        return addresses

    async def _start_in_order(self) -> None:
        self._spawn("watchdog", "callward", [self._watchdog])
        for running in self._running:
            self._watch(f"{running.service.name} management", await running.start_management())
        for running in self._running:
            await running.set_serving(False)
            self._watch(f"{running.service.name} grpc", await running.start_grpc())
        for running in self._running:
            self._spawn("consumers", running.service.name, running.service.consumers)
            self._spawn("background", running.service.name, running.service.background)
        for running in self._running:
            self._watch(f"{running.service.name} http", await running.start_http())
        for running in self._running:
            await running.set_serving(True)

    async def serve_until_stopped(
        self, signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT)
    ) -> None:
        """Waits for a signal or a crash, then drains. Raises HostFailed after a crash, also one while draining."""
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, self._ended.set)
        await self._ended.wait()
        await self.stop()
        if self._failure is not None:
            name, error = self._failure
            raise HostFailed(f"{name} has crashed") from error

    async def stop(self) -> None:
        """Drains in order. Every step is done even when an earlier one fails; calling it again does nothing."""
        if self._stopping:
            return
        self._stopping = True
        _log.info("draining")
        for running in self._running:
            await self._step("health", running.set_serving(False))
        await asyncio.sleep(self._drain_delay if self._running else 0)
        await self._join("consumers")
        await asyncio.gather(
            *(self._step("grpc", running.stop_grpc()) for running in self._running),
            *(self._step("http", running.stop_http()) for running in self._running),
        )
        await self._join("background")
        for hosted in self._hosted:
            for close in hosted.service.close:
                await self._step("close", close())
        await self._join("watchdog")
        for running in self._running:
            await self._step("management", running.stop_management())
        await asyncio.to_thread(tracing.flush)
        _log.info("stopped")

    def _spawn(self, stage: str, component: str, runnables: Sequence[Runnable]) -> None:
        for runnable in runnables:
            coroutine = self._run(component, runnable, self._stops[stage])
            self._tasks[stage].append(asyncio.create_task(coroutine, name=f"{component} {runnable.name}"))

    async def _run(self, component: str, runnable: Runnable, stop: asyncio.Event) -> None:
        with logs.component(component):
            try:
                await runnable.run(stop)
            except Exception as error:
                self._fail(f"{component} {runnable.name}", error)
            else:
                if not stop.is_set():
                    self._fail(f"{component} {runnable.name}", None)

    def _watch(self, name: str, server: asyncio.Task[None] | None) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None or not self._stopping:
                self._fail(name, error)

        if server is not None:
            server.add_done_callback(ended)

    def _fail(self, name: str, error: BaseException | None) -> None:
        _log.error("a child has crashed", extra={"runnable": name}, exc_info=error)
        self._failure = self._failure or (name, error)
        self._ended.set()

    async def _join(self, stage: str) -> None:
        self._stops[stage].set()
        if self._tasks[stage]:
            _, late = await asyncio.wait(self._tasks[stage], timeout=self._grace)
            for task in late:
                self._fail(task.get_name(), None)
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _step(self, stage: str, step: Awaitable[None]) -> None:
        try:
            await step
        except Exception as error:
            self._fail(stage, error)
