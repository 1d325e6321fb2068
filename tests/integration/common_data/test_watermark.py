"""Enforced events stay until audit has them, and how far audit is behind fails closed."""

import asyncio
import logging
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.db.tables import outbox, outbox_state
from callward_common.errors import Unavailable
from callward_common.events.watermark import Watermark
from tests.integration.common_data.fakes import TENANT, FakeSource, RecordingBus, emit, running, served, until
from tests.support.clock import ManualClock

SECOND = timedelta(seconds=1)


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def tracker(db: Database, source: FakeSource, clock: ManualClock) -> WatermarkTracker:
    return WatermarkTracker(db, source, clock)


async def publish(db: Database, clock: ManualClock, *purposes: str) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        await emit(db, *purposes)
        await until(lambda: len(bus.published) >= len(purposes))


async def left(db: Database) -> list[int | None]:
    async with db.transaction() as transaction:
        return list(await transaction.connection.scalars(select(outbox.c.sequence).order_by(outbox.c.id)))


async def test_enforced_events_stay_until_the_watermark_covers_them(
    db: Database, clock: ManualClock, source: FakeSource, tracker: WatermarkTracker
) -> None:
    await publish(db, clock, "A", "B", "C")
    await tracker.poll()
    assert await left(db) == [1, 2, 3]
    source.sequence = 2
    await tracker.poll()
    assert await left(db) == [3]
    source.sequence = 3
    await tracker.poll()
    assert await left(db) == []


async def test_how_far_audit_is_behind(
    db: Database, clock: ManualClock, source: FakeSource, tracker: WatermarkTracker
) -> None:
    assert await tracker.behind() is None
    await tracker.poll()
    assert await tracker.behind() == timedelta(0)
    await publish(db, clock, "A")
    clock.advance(3 * SECOND)
    await publish(db, clock, "B")
    clock.advance(SECOND)
    assert await tracker.behind() == 4 * SECOND
    source.sequence = 1
    await tracker.poll()
    assert await tracker.behind() == SECOND
    source.sequence = 2
    await tracker.poll()
    assert await tracker.behind() == timedelta(0)


async def test_events_not_yet_published_count_and_best_effort_ones_do_not(
    db: Database, clock: ManualClock, tracker: WatermarkTracker
) -> None:
    await tracker.poll()
    async with db.transaction(TENANT) as transaction:
        transaction.emit(served(), key="r", tenant=TENANT)
    clock.advance(SECOND)
    assert await tracker.behind() == timedelta(0)
    await emit(db)
    clock.advance(2 * SECOND)
    assert await tracker.behind() == 2 * SECOND


async def test_an_old_answer_says_nothing(
    db: Database, clock: ManualClock, source: FakeSource, tracker: WatermarkTracker
) -> None:
    await tracker.poll()
    source.failure = Unavailable("audit stands still")
    with pytest.raises(Unavailable):
        await tracker.poll()
    clock.advance(10 * SECOND)
    assert await tracker.behind() == timedelta(0)
    clock.advance(timedelta(milliseconds=1))
    assert await tracker.behind() is None


async def test_an_answer_ages_from_when_it_was_asked_for(db: Database, clock: ManualClock) -> None:
    class Slow(FakeSource):
        async def watermark(self) -> Watermark:
            clock.advance(11 * SECOND)
            return Watermark(0, None)

    tracker = WatermarkTracker(db, Slow(), clock)
    await tracker.poll()
    assert await tracker.behind() is None


async def test_the_tracker_survives_an_audit_that_does_not_answer(
    db: Database, clock: ManualClock, source: FakeSource
) -> None:
    tracker = WatermarkTracker(db, source, clock, interval=0.01)
    source.failure = Unavailable("not yet")

    async def knows() -> bool:
        return await tracker.behind() is not None

    async with running(tracker):
        assert not await knows()
        source.failure = None
        await until(knows)


async def test_a_watermark_that_goes_back_alarms_and_publishes_again(
    db: Database, clock: ManualClock, source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    await publish(db, clock, "A", "B", "C")
    source.sequence = 2
    await WatermarkTracker(db, source, clock).poll()
    source.sequence = 0
    # A new process has heard nothing before: what audit told stands in the database.
    restarted = WatermarkTracker(db, source, clock)
    with caplog.at_level(logging.ERROR, "callward_common"):
        await restarted.poll()
        await restarted.poll()
    assert len(caplog.records) == 1
    assert (caplog.records[0].levelname, caplog.records[0].sequence) == ("ERROR", 0)  # type: ignore[attr-defined]
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        await until(lambda: len(bus.published) == 1)
    assert bus.sequences == [3]
    clock.advance(SECOND)
    assert await restarted.behind() == SECOND


async def test_a_replica_that_hears_a_later_answer_is_no_alarm(
    db: Database, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await publish(db, clock, "A", "B")

    class Overtaken(FakeSource):
        async def watermark(self) -> Watermark:
            async with db.transaction() as transaction:
                await transaction.connection.execute(update(outbox_state).values(covered=2))
            return Watermark(1, None)

    with caplog.at_level(logging.ERROR, "callward_common"):
        await WatermarkTracker(db, Overtaken(), clock).poll()
    assert caplog.records == []
    async with db.transaction() as transaction:
        assert await transaction.connection.scalar(select(outbox_state.c.covered)) == 2


async def test_a_watermark_ahead_of_the_producer_is_not_believed(
    db: Database,
    clock: ManualClock,
    source: FakeSource,
    tracker: WatermarkTracker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await publish(db, clock, "A")
    source.sequence = 2
    with caplog.at_level(logging.ERROR, "callward_common"):
        await tracker.poll()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert await tracker.behind() is None
    assert await left(db) == [1]


async def test_stopping_does_not_wait_for_the_interval(
    db: Database, clock: ManualClock, source: FakeSource
) -> None:
    async with running(WatermarkTracker(db, source, clock, interval=3600)) as stop:
        stop.set()
        await asyncio.sleep(0)
