"""The relay: order, a gapless sequence, at least once."""

import asyncio
import logging
from typing import Any

import pytest
from sqlalchemy import func, select, text

from callward_common.db import Database, OutboxRelay
from callward_common.db.tables import RELAY_LOCK, outbox
from tests.integration.common_data.fakes import (
    TENANT,
    TOPIC,
    RecordingBus,
    emit,
    granted,
    running,
    served,
    until,
)
from tests.support.clock import ManualClock


async def cycle(db: Database) -> None:
    """Returns when the relay has gone once through the outbox from now on."""
    for _ in range(2):
        db.wake()
        await until(lambda: not db.woken.is_set())


async def rows(db: Database) -> list[Any]:
    async with db.transaction() as transaction:
        return list(await transaction.connection.execute(select(outbox).order_by(outbox.c.id)))


async def test_events_are_published_in_order_with_a_gapless_sequence(
    db: Database, clock: ManualClock
) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        first = await emit(db, "A", "B", "C")
        second = await emit(db, "D")
        await until(lambda: len(bus.published) == 4)
    assert bus.purposes == ["A", "B", "C", "D"]
    assert bus.sequences == [1, 2, 3, 4]
    envelope = bus.published[0]
    assert [e.id for e in bus.published] == first + second
    assert (envelope.source, envelope.topic, envelope.key, envelope.tenant) == (
        "access-gateway",
        TOPIC,
        "r",
        TENANT,
    )
    assert (envelope.enforced, envelope.time, envelope.type) == (
        True,
        clock.now(),
        "callward.access.v1.AccessGranted",
    )


async def test_best_effort_rows_go_after_publication_and_enforced_rows_stay(
    db: Database, clock: ManualClock
) -> None:
    bus = RecordingBus()
    async with db.transaction(TENANT) as transaction:
        transaction.emit(served(), key="r", tenant=TENANT)
        kept = transaction.emit(granted(), key="r", tenant=TENANT)
    async with running(OutboxRelay(db, bus, clock)):
        await until(lambda: len(bus.published) == 2)
    left = await rows(db)
    assert [(row.event_id, row.sequence, row.published_at) for row in left] == [(kept, 2, clock.now())]


async def test_an_event_whose_transaction_commits_later_is_neither_skipped_nor_overtaken(
    db: Database, clock: ManualClock
) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        async with db.transaction(TENANT) as slow:
            slow.emit(granted(purpose="LOW-ID"), key="r", tenant=TENANT)
            await slow.flush()
            await emit(db, "HIGH-ID")
            await cycle(db)
            assert bus.published == []
        await until(lambda: len(bus.published) == 2)
    assert bus.purposes == ["LOW-ID", "HIGH-ID"]
    assert bus.sequences == [1, 2]


async def test_an_event_that_could_know_of_another_follows_it(db: Database, clock: ManualClock) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        async with db.transaction(TENANT) as early:
            await early.connection.execute(select(func.pg_current_xact_id()))
            await emit(db, "CAUSE")
            early.emit(granted(purpose="EFFECT"), key="r", tenant=TENANT)
            await early.flush()
            await cycle(db)
            assert bus.published == []
        await until(lambda: len(bus.published) == 2)
    assert bus.purposes == ["CAUSE", "EFFECT"]


async def test_a_lower_id_of_a_later_transaction_is_not_skipped(db: Database, clock: ManualClock) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock)):
        async with db.transaction(TENANT) as other:
            await other.connection.execute(select(func.pg_current_xact_id()))
            async with db.transaction(TENANT) as late:
                late.emit(granted(purpose="LOW-ID"), key="r", tenant=TENANT)
                await late.flush()
                other.emit(granted(purpose="HIGH-ID"), key="s", tenant=TENANT)
                await other.flush()
                await other.connection.commit()
                await until(lambda: len(bus.published) == 1)
        await until(lambda: len(bus.published) == 2)
    assert bus.purposes == ["HIGH-ID", "LOW-ID"]
    assert bus.sequences == [1, 2]


async def test_order_per_key_holds_under_concurrent_transactions(db: Database, clock: ManualClock) -> None:
    bus = RecordingBus()
    counts = dict.fromkeys("abc", 0)

    async def one(key: str) -> None:
        async with db.transaction(TENANT) as transaction:
            await transaction.connection.execute(select(func.pg_advisory_xact_lock(ord(key))))
            counts[key] += 1
            transaction.emit(served(key, counts[key]), key=key, tenant=TENANT)

    async with running(OutboxRelay(db, bus, clock, batch=7)):
        await asyncio.gather(*(one(key) for _ in range(30) for key in counts))
        await until(lambda: len(bus.published) == 90)
    assert bus.sequences == list(range(1, 91))
    for key in counts:
        numbers = [e.message().first_byte for e in bus.published if e.key == key]  # type: ignore[attr-defined]
        assert numbers == list(range(1, 31))


@pytest.mark.parametrize("kept", [False, True], ids=["before-publication", "before-the-mark"])
async def test_a_crash_between_assignment_and_mark_changes_no_sequence(
    db: Database, clock: ManualClock, kept: bool
) -> None:
    bus = RecordingBus(failing=True, keeps_when_failing=kept)
    await emit(db, "A", "B")
    crashed = asyncio.create_task(OutboxRelay(db, bus, clock).run(asyncio.Event()))
    await until(lambda: bus.attempts > 0)
    crashed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await crashed
    assert [(row.sequence, row.published_at) for row in await rows(db)] == [(1, None), (2, None)]

    await emit(db, "C")
    healthy = RecordingBus()
    async with running(OutboxRelay(db, healthy, clock)):
        await until(lambda: len(healthy.published) == 3)
    assert list(zip(healthy.sequences, healthy.purposes, strict=True)) == [(1, "A"), (2, "B"), (3, "C")]


async def test_a_failing_bus_is_survived_and_nothing_of_it_is_logged(
    db: Database, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    bus = RecordingBus(failing=True)
    with caplog.at_level(logging.DEBUG, "callward_common"):
        async with running(OutboxRelay(db, bus, clock)):
            await emit(db, "PLANTED-PURPOSE")
            await until(lambda: bus.attempts >= 2)
            bus.failing = False
            await until(lambda: len(bus.published) == 1)
    assert bus.sequences == [1]
    failures = [record for record in caplog.records if record.name == "callward_common.db.relay"]
    assert [failure.error_type for failure in failures[:1]] == ["Broken"]  # type: ignore[attr-defined]
    said = " ".join(str(record.__dict__) for record in caplog.records)
    assert "PLANTED-PURPOSE" not in said
    assert "SECRET-TEXT" not in said


async def test_only_one_relay_works_and_another_takes_over(
    db: Database, urls: Any, clock: ManualClock
) -> None:
    first, second = RecordingBus(), RecordingBus()
    other = Database.connect(urls.run_url, producer="access-gateway", clock=clock)
    leader = asyncio.create_task(OutboxRelay(db, first, clock).run(asyncio.Event()))
    await emit(db, "A")
    await until(lambda: len(first.published) == 1)
    async with running(OutboxRelay(other, second, clock, standby=0.01)):
        await emit(db, "B")
        await until(lambda: len(first.published) == 2)
        assert second.published == []
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        await emit(db, "C")
        await until(lambda: "C" in second.purposes)
    await other.close()
    assert (first.sequences, first.purposes) == ([1, 2], ["A", "B"])
    # The first may have been ended before it marked B as published.
    assert list(zip(second.sequences, second.purposes, strict=True))[-2:] in (
        [(3, "C")],
        [(2, "B"), (3, "C")],
    )


async def test_a_relay_that_loses_its_connection_gets_another(db: Database, clock: ManualClock) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock, standby=0.01)):
        await emit(db, "A")
        await until(lambda: len(bus.published) == 1)
        holder = text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE classid = :a AND objid = :b AND granted"
        )
        async with db.transaction() as transaction:
            ended = await transaction.connection.scalar(holder, {"a": RELAY_LOCK[0], "b": RELAY_LOCK[1]})
        assert ended is True
        await emit(db, "B")
        await until(lambda: len(bus.published) == 2)
    assert bus.sequences == [1, 2]


async def test_enforced_events_are_published_again_on_request(db: Database, clock: ManualClock) -> None:
    bus = RecordingBus()
    relay = OutboxRelay(db, bus, clock)
    async with running(relay):
        await emit(db, "A", "B", "C")
        await until(lambda: len(bus.published) == 3)
        assert await relay.republish(2) == 2
        await until(lambda: len(bus.published) == 5)
    assert bus.sequences == [1, 2, 3, 2, 3]
    assert bus.published[1] == bus.published[3]


async def test_what_was_emitted_before_the_stop_is_published_before_the_end(
    db: Database, clock: ManualClock
) -> None:
    bus = RecordingBus()
    async with running(OutboxRelay(db, bus, clock, poll=60, batch=2)):
        await cycle(db)
        async with db.transaction(TENANT) as transaction:
            for _ in range(5):
                transaction.emit(granted(), key="r", tenant=TENANT)
    assert bus.sequences == [1, 2, 3, 4, 5]
