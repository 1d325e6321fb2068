"""The consumer: once, in one transaction, and a limit to what it gives up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.trace import get_current_span
from sqlalchemy import select, text

from callward.access.v1.events_pb2 import AccessDenied, AccessGranted
from callward.audit.v1.actor_pb2 import Actor
from callward_common.db import Database, DatabaseUnavailable, Transaction
from callward_common.db.tables import dead_letters, inbox, outbox
from callward_common.errors import Unavailable
from callward_common.events.bus import BusUnavailable, CommitRefused, Delivery, Partition
from callward_common.events.consumer import DeadLetterLimitExceeded, EventConsumer
from callward_common.events.envelope import Envelope
from callward_common.ids import new_id
from tests.integration.common_data.fakes import TENANT, TOPIC, ScriptedBus, granted, running, until
from tests.support.clock import ManualClock

INSERT = text(
    "INSERT INTO notes (tenant_id, name, value) VALUES (current_setting('callward.tenant'), :name, 1)"
)
Handle = Callable[[Transaction, Envelope, Message], Awaitable[None]]


def envelope(
    purpose: str = "x", *, event_id: str | None = None, data: bytes | None = None, **more: Any
) -> Envelope:
    values: dict[str, Any] = {
        "id": event_id or new_id(),
        "type": AccessGranted.DESCRIPTOR.full_name,
        "source": "access-gateway",
        "time": datetime(2026, 11, 24, tzinfo=UTC),
        "tenant": TENANT,
        "topic": TOPIC,
        "key": "r",
        "sequence": 1,
        "enforced": True,
        "traceparent": None,
        "data": granted(purpose=purpose).SerializeToString() if data is None else data,
    }
    return Envelope(**{**values, **more})


async def note(transaction: Transaction, event: Envelope, message: Message) -> None:
    assert isinstance(message, AccessGranted)
    await transaction.connection.execute(INSERT, {"name": message.purpose})


def consumer(
    bus: ScriptedBus, db: Database, clock: ManualClock, handler: Handle = note, **more: Any
) -> EventConsumer:
    return EventConsumer(
        bus=bus,
        db=db,
        group=more.pop("group", "sample"),
        handlers={AccessGranted: handler},
        clock=clock,
        retry_after=0.001,
        **more,
    )


async def consume(
    bus: ScriptedBus, db: Database, clock: ManualClock, handler: Handle = note, **more: Any
) -> None:
    """Runs a consumer until the bus is drained."""
    async with running(consumer(bus, db, clock, handler, **more)):
        await until(bus.drained.is_set)


async def notes(db: Database) -> list[str]:
    async with db.transaction(TENANT) as transaction:
        return list(await transaction.connection.scalars(text("SELECT name FROM notes ORDER BY name")))


async def dead(db: Database) -> list[Any]:
    async with db.transaction() as transaction:
        return list(
            await transaction.connection.execute(select(dead_letters).order_by(dead_letters.c.position))
        )


async def test_events_are_handled_in_their_tenants_transaction_and_committed(
    db: Database, clock: ManualClock
) -> None:
    bus = ScriptedBus([[envelope("a"), envelope("b")], [envelope("c")]])
    await consume(bus, db, clock)
    assert await notes(db) == ["a", "b", "c"]
    assert bus.commits == [{Partition(TOPIC, 0): 2}, {Partition(TOPIC, 0): 3}]
    assert bus.closed


async def test_the_topics_follow_from_the_messages(db: Database, clock: ManualClock) -> None:
    assert consumer(ScriptedBus([]), db, clock).topics == [TOPIC]
    assert consumer(ScriptedBus([]), db, clock, topics=["other"]).topics == ["other"]


async def test_a_redelivered_event_is_handled_once_per_group(db: Database, clock: ManualClock) -> None:
    again = envelope("a")
    await consume(ScriptedBus([[again, again], [again]]), db, clock)
    assert await notes(db) == ["a"]

    async def rename(transaction: Transaction, event: Envelope, message: Message) -> None:
        await transaction.connection.execute(INSERT, {"name": "of the other group"})

    await consume(ScriptedBus([[again]]), db, clock, rename, group="other")
    assert await notes(db) == ["a", "of the other group"]


async def test_a_failed_try_leaves_nothing_and_the_next_one_counts(db: Database, clock: ManualClock) -> None:
    tries = 0

    async def second_time(transaction: Transaction, event: Envelope, message: Message) -> None:
        nonlocal tries
        tries += 1
        await transaction.connection.execute(INSERT, {"name": f"try {tries}"})
        if tries == 1:
            raise RuntimeError("SECRET-TEXT")

    await consume(ScriptedBus([[envelope()]]), db, clock, second_time)
    assert await notes(db) == ["try 2"]
    assert await dead(db) == []


async def test_poison_becomes_a_dead_letter_without_payload_and_the_next_is_handled(
    db: Database, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    poison, tries = envelope("PLANTED-PURPOSE"), 0

    async def choke(transaction: Transaction, event: Envelope, message: Message) -> None:
        nonlocal tries
        if event.id == poison.id:
            tries += 1
            raise RuntimeError(f"SECRET-TEXT {message}")
        await note(transaction, event, message)

    bus = ScriptedBus([[poison, envelope("fine")]])
    with caplog.at_level(logging.DEBUG, "callward_common"):
        await consume(bus, db, clock, choke)
    assert (tries, await notes(db)) == (5, ["fine"])
    (letter,) = await dead(db)
    assert letter._asdict() == {
        "consumer": "sample",
        "event_id": poison.id,
        "topic": TOPIC,
        "partition": 0,
        "position": 0,
        "type": "callward.access.v1.AccessGranted",
        "tenant_id": TENANT,
        "cause": "RuntimeError",
        "tries": 5,
        "dead_at": clock.now(),
    }
    assert bus.commits == [{Partition(TOPIC, 0): 2}]
    said = " ".join(str(record.__dict__) for record in caplog.records)
    assert "PLANTED-PURPOSE" not in said
    assert "SECRET-TEXT" not in said
    await consume(ScriptedBus([[poison]]), db, clock, choke)
    assert tries == 5


async def test_data_that_cannot_be_parsed_are_poison(db: Database, clock: ManualClock) -> None:
    await consume(ScriptedBus([[envelope(data=b"\xff\xff")]]), db, clock)
    assert [letter.cause for letter in await dead(db)] == ["InvalidEnvelope"]


async def fail(transaction: Transaction, event: Envelope, message: Message) -> None:
    raise RuntimeError


async def test_past_the_limit_of_dead_letters_the_consumer_stops(db: Database, clock: ManualClock) -> None:
    bus = ScriptedBus([[envelope() for _ in range(4)]])
    with pytest.raises(DeadLetterLimitExceeded):
        await asyncio.wait_for(consumer(bus, db, clock, fail, dead_limit=3).run(asyncio.Event()), 20)
    assert len(await dead(db)) == 3
    assert bus.commits == [{Partition(TOPIC, 0): 3}]
    assert bus.closed


async def test_the_limit_is_one_of_a_rate(db: Database, clock: ManualClock) -> None:
    async def slow_poison(transaction: Transaction, event: Envelope, message: Message) -> None:
        clock.advance(timedelta(seconds=5))  # five tries of it: one death in 25 seconds
        raise RuntimeError

    await consume(ScriptedBus([[envelope() for _ in range(8)]]), db, clock, slow_poison, dead_limit=3)
    assert len(await dead(db)) == 8


@pytest.mark.parametrize("outage", [Unavailable("x"), DatabaseUnavailable("x"), ConnectionRefusedError()])
async def test_an_outage_is_waited_out_and_kills_no_event(
    db: Database, clock: ManualClock, outage: Exception
) -> None:
    tries = 0

    async def at_last(transaction: Transaction, event: Envelope, message: Message) -> None:
        nonlocal tries
        tries += 1
        if tries <= 7:
            raise outage
        await note(transaction, event, message)

    await consume(ScriptedBus([[envelope("a")]]), db, clock, at_last)
    assert (await notes(db), await dead(db)) == (["a"], [])


async def test_what_could_not_even_be_given_up_is_delivered_again(
    db: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Log(ScriptedBus):
        """Begins where the group has committed, as a bus does; until then it goes on where it was."""

        place = 0

        async def subscribe(self, *_: Any, **__: Any) -> "Log":
            self.place = max((position for each in self.commits for position in each.values()), default=0)
            return self

        async def fetch(self, max_records: int, timeout: float) -> Sequence[Delivery]:
            found = [Delivery(Partition(TOPIC, 0), place, each) for place, each in enumerate(events)]
            found, self.place = found[self.place :], len(events)
            self.drained.set() if not found else None
            await asyncio.sleep(0)
            return found

    events, transaction, away = [envelope("a"), envelope("b"), envelope("c")], db.transaction, True

    def away_once(tenant: str | None = None) -> Any:
        nonlocal away
        if tenant is None and away:  # the transaction that would have buried "b"
            away = False
            raise DatabaseUnavailable("x")
        return transaction(tenant)

    async def choke(unit: Transaction, event: Envelope, message: Message) -> None:
        if event.id == events[1].id:
            raise RuntimeError
        await note(unit, event, message)

    monkeypatch.setattr(db, "transaction", away_once)
    await consume(Log([]), db, clock, choke, tries=1)
    assert not away
    assert await notes(db) == ["a", "c"]
    assert [letter.event_id for letter in await dead(db)] == [events[1].id]


async def test_a_bus_that_does_not_answer_is_waited_for(db: Database, clock: ManualClock) -> None:
    await consume(
        ScriptedBus([[envelope("a")]], outages=[BusUnavailable("x"), BusUnavailable("x")]), db, clock
    )
    assert await notes(db) == ["a"]


async def test_a_refused_commit_is_normal(db: Database, clock: ManualClock) -> None:
    bus = ScriptedBus([[envelope("a")], [envelope("b")]], refusal=CommitRefused("rebalanced"))
    await consume(bus, db, clock)
    assert await notes(db) == ["a", "b"]


async def test_unknown_types_are_passed_over(db: Database, clock: ManualClock) -> None:
    known_elsewhere = AccessDenied.DESCRIPTOR.full_name
    bus = ScriptedBus(
        [[envelope(type="callward.future.v9.Event", data=b"\xff"), envelope(type=known_elsewhere)]]
    )
    await consume(bus, db, clock)
    assert bus.commits == [{Partition(TOPIC, 0): 2}]
    async with db.transaction() as transaction:
        assert (await transaction.connection.execute(select(inbox))).all() == []


async def test_stopping_commits_what_was_handled_and_no_more(db: Database, clock: ManualClock) -> None:
    bus = ScriptedBus([[envelope("a"), envelope("b"), envelope("c")]])
    runner: Any = None

    async def stop_at_b(transaction: Transaction, event: Envelope, message: Message) -> None:
        if getattr(message, "purpose", "") == "b":
            runner.set()
            raise Unavailable("x")
        await note(transaction, event, message)

    async with running(consumer(bus, db, clock, stop_at_b)) as stop:
        runner = stop
        await stop.wait()
    assert await notes(db) == ["a"]
    assert bus.commits == [{Partition(TOPIC, 0): 1}]


async def test_the_trace_goes_on_in_the_handler_and_its_events(db: Database, clock: ManualClock) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen: list[int] = []

    async def answer(transaction: Transaction, event: Envelope, message: Message) -> None:
        seen.append(get_current_span().get_span_context().trace_id)
        transaction.emit(granted(), key="r", tenant=TENANT)

    await consume(ScriptedBus([[envelope(traceparent=parent)]]), db, clock, answer)
    assert seen == [0x0AF7651916CD43DD8448EB211C80319C]
    async with db.transaction() as transaction:
        assert await transaction.connection.scalar(select(outbox.c.traceparent)) == parent


async def test_a_message_without_topic_cannot_be_consumed(db: Database, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="no topic"):
        EventConsumer(bus=ScriptedBus([]), db=db, group="g", handlers={Actor: note}, clock=clock)
