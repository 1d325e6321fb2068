"""The sender's turns and limits, and what it does when something fails that should not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from callward_common.ids import new_id
from callward_ingest.app.webhook_sending import SendingLimits, WebhookSender
from callward_ingest.domain.webhook_schedule import Schedule
from callward_ingest.domain.webhooks import (
    AttemptError,
    Delivery,
    DeliveryState,
    Outcome,
    Webhook,
    WebhookEvent,
)
from tests.support.clock import START, ManualClock
from tests.unit.ingest.fakes import MemoryUnits
from tests.unit.ingest.webhook_fakes import (
    FakeReceivers,
    FakeSecrets,
    MemoryDeliveries,
    MemoryWebhooks,
    MemoryWork,
    Place,
)


class Scene:
    """A sender over fakes."""

    def __init__(self, **limits: float) -> None:
        self.clock, self.receivers, self.units = ManualClock(), FakeReceivers(), MemoryUnits()
        self.work: dict[str, Place] = self.units.webhook_work
        self.list = MemoryWork(self.work)
        stated = {"parallel": 4, "parallel_tenant": 4, "parallel_webhook": 2} | limits
        self.sender = WebhookSender(
            units=self.units,
            work=self.list,
            secrets=FakeSecrets(),
            receivers=self.receivers,
            clock=self.clock,
            schedule=Schedule(),
            limits=SendingLimits(poll_seconds=0.01, drain_seconds=0.05, **stated),  # type: ignore[arg-type]
            due=asyncio.Event(),
            jitter=lambda: 0.0,
        )

    async def webhook(self, url: str, count: int, tenant: str = "mercy") -> None:
        """A webhook with so many deliveries due."""
        state = self.units.rows(tenant).webhooks
        state.tenant, state.work = tenant, self.work
        made = Webhook(new_id(), url, tuple(WebhookEvent), "", active=True, created_at=START)
        await MemoryWebhooks(state).add(made, 100)
        await MemoryDeliveries(state).add(
            [
                Delivery(new_id(), made.webhook_id, new_id(), "x", b"{}", START, next_attempt_at=START)
                for _ in range(count)
            ]
        )

    def states(self, url: str, tenant: str = "mercy") -> list[DeliveryState]:
        state = self.units.rows(tenant).webhooks
        (webhook,) = [each for each in state.webhooks.values() if each.url == url]
        return [each.state for each in state.deliveries.values() if each.webhook_id == webhook.webhook_id]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.sender.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)

    def sent(self, url: str) -> int:
        return sum(1 for each, _, _ in self.receivers.sent if each == url)


async def test_a_webhook_has_so_many_under_way_and_all_so_many() -> None:
    scene = Scene(parallel=3)
    scene.receivers.hanging = {"a", "b"}
    await scene.webhook("a", 10)
    await scene.webhook("b", 10)
    async with scene.running():
        await scene.until(lambda: len(scene.receivers.sent) == 3)
        assert max(scene.receivers.most_open.values()) == 2


async def test_a_tenant_has_so_many_under_way() -> None:
    scene = Scene(parallel_tenant=2, parallel_webhook=2)
    scene.receivers.hanging = {"a", "b"}
    await scene.webhook("a", 10)
    await scene.webhook("b", 10)
    await scene.webhook("c", 5, tenant="other")
    async with scene.running():
        await scene.until(lambda: scene.sent("c") == 5)
        assert scene.sent("a") + scene.sent("b") == 2


async def test_turns_go_round() -> None:
    scene = Scene(parallel=1, parallel_webhook=1)
    for url in ("a", "b", "c"):
        await scene.webhook(url, 4)
    async with scene.running():
        await scene.until(lambda: len(scene.receivers.sent) == 12)
    order = [url for url, _, _ in scene.receivers.sent]
    assert all(set(order[first : first + 3]) == {"a", "b", "c"} for first in range(0, 12, 3))


async def test_whoever_fails_is_tried_one_at_a_time() -> None:
    scene = Scene(parallel=8, parallel_tenant=8, parallel_webhook=4)
    scene.receivers.outcomes["a"] = Outcome(error=AttemptError.timeout)
    await scene.webhook("a", 4)
    async with scene.running():
        await scene.until(lambda: scene.sent("a") == 4)
        await scene.until(lambda: not scene.receivers.open_now["a"])
        scene.receivers.most_open.clear()
        scene.clock.advance(timedelta(seconds=5))
        await scene.until(lambda: scene.sent("a") == 8)
        assert scene.receivers.most_open["a"] == 1
        scene.receivers.outcomes["a"] = Outcome(200)
        scene.clock.advance(timedelta(minutes=5))
        await scene.until(lambda: scene.states("a") == [DeliveryState.delivered] * 4)


async def test_a_fault_of_our_own_is_an_attempt_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.receivers.outcomes["a"] = RuntimeError("unforeseen")
    await scene.webhook("a", 1)
    async with scene.running():
        await scene.until(
            lambda: any(each.attempts for each in scene.units.rows("mercy").webhooks.deliveries.values())
        )
    (delivery,) = scene.units.rows("mercy").webhooks.deliveries.values()
    assert (delivery.state, delivery.last_error) == (DeliveryState.pending, "internal-error")
    assert "unforeseen" in caplog.text


async def test_a_database_that_is_away_is_waited_for() -> None:
    scene = Scene()
    await scene.webhook("a", 1)
    scene.list.failing = RuntimeError("away")
    async with scene.running():
        await asyncio.sleep(0)
        assert not scene.receivers.sent
        scene.list.failing = None
        await scene.until(lambda: scene.sent("a") == 1)


async def test_what_was_not_written_is_sent_again_when_the_lease_is_over() -> None:
    scene = Scene()
    await scene.webhook("a", 1)
    async with scene.running():
        scene.units.unreachable = True
        await scene.until(lambda: all(place.lease for place in scene.work.values()))
        scene.units.unreachable = False
        scene.clock.advance(timedelta(seconds=60))
        await scene.until(lambda: scene.states("a") == [DeliveryState.delivered])
    assert scene.sent("a") == 1


async def test_a_stop_gives_back_what_hangs() -> None:
    scene = Scene()
    scene.receivers.hanging = {"a"}
    await scene.webhook("a", 2)
    async with scene.running():
        await scene.until(lambda: scene.sent("a") == 2)
    assert all(place.lease is None and place.due_at <= scene.clock.now() for place in scene.work.values())
