"""The adapters that the event bus suite runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import pytest

from callward_common.clock import SystemClock
from callward_common.events.bus import EventBus
from callward_embedded.event_log import PostgresEventLog
from tests.support.postgres import PostgresServer


@asynccontextmanager
async def event_log(server: PostgresServer) -> AsyncIterator[EventBus]:
    """The event log of the embedded platform."""
    log = await PostgresEventLog.open(await server.empty("events"), SystemClock(), poll=0.02)
    try:
        yield log
    finally:
        await log.close()


#: Name → a way to open one. A production adapter joins by one line.
ADAPTERS: dict[str, Callable[[PostgresServer], AbstractAsyncContextManager[EventBus]]] = {
    "event-log": event_log,
}


@pytest.fixture(params=sorted(ADAPTERS))
async def adapter(request: pytest.FixtureRequest, postgres: PostgresServer) -> AsyncIterator[EventBus]:
    async with ADAPTERS[request.param](postgres) as opened:
        yield opened


@pytest.fixture
def topic() -> str:
    """A topic that no other test uses: an adapter's server may outlive a test."""
    return f"test.{uuid4()}"


@pytest.fixture
def group() -> str:
    """A group that no other test uses."""
    return f"group-{uuid4()}"
