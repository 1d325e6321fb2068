"""The event log in PostgreSQL: order, redelivery, takeover, and what concurrency does to none of them."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

from callward_common.clock import SystemClock
from callward_common.events.bus import BusUnavailable, CommitRefused, Delivery, Partition, Subscription
from callward_embedded.databases import DatabaseUrls
from callward_embedded.event_log import PARTITIONS, PostgresEventLog, partition_of
from tests.support.events import envelope
from tests.support.postgres import PostgresServer


@pytest.fixture
async def urls(postgres: PostgresServer) -> DatabaseUrls:
    return await postgres.empty("events")


@pytest.fixture
async def log(urls: DatabaseUrls) -> AsyncIterator[PostgresEventLog]:
    opened = await PostgresEventLog.open(urls, SystemClock())
    yield opened
    await opened.close()


async def drain(subscription: Subscription, count: int) -> list[Delivery]:
    """Fetches until `count` deliveries have come, within ten seconds."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(10):
        while len(deliveries) < count:
            deliveries += await subscription.fetch(7, 1)
    return deliveries


async def test_an_event_arrives_as_it_was_sent(log: PostgresEventLog) -> None:
    sent = replace(
        envelope(7, data=bytes(range(256))),
        enforced=True,
        traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    )
    await log.publish([sent])

    subscription = await log.subscribe("g", ["t"])
    (delivery,) = await subscription.fetch(10, 1)
    await subscription.close()

    assert delivery.envelope == sent
    assert delivery.partition == partition_of("t", "key")
    assert delivery.offset == 0


async def test_positions_have_no_gaps_and_keys_keep_their_order_with_many_publishers(
    log: PostgresEventLog,
) -> None:
    async def publisher(source: int) -> None:
        chance = random.Random(source)
        for sequence in range(20):
            await log.publish([envelope(sequence, key=f"{source}-{chance.randrange(3)}") for _ in range(2)])

    await asyncio.gather(*(publisher(source) for source in range(6)))
    subscription = await log.subscribe("g", ["t"])
    deliveries = await drain(subscription, 240)
    await subscription.close()

    by_partition, by_key = defaultdict(list), defaultdict(list)
    for delivery in deliveries:
        by_partition[delivery.partition].append(delivery.offset)
        by_key[delivery.envelope.key].append(delivery.envelope.sequence)
    assert all(offsets == list(range(len(offsets))) for offsets in by_partition.values())
    assert all(sequences == sorted(sequences) for sequences in by_key.values())
    assert {partition_of("t", key) for key in by_key} == set(by_partition)


async def test_what_is_not_committed_comes_again_and_what_is_committed_does_not(
    log: PostgresEventLog,
) -> None:
    await log.publish([envelope(number) for number in range(5)])
    first = await log.subscribe("g", ["t"])
    read = await drain(first, 5)
    await first.commit({read[0].partition: 3})
    await first.close()

    second = await log.subscribe("g", ["t"])
    assert [delivery.offset for delivery in await drain(second, 2)] == [3, 4]
    await second.close()
    other = await log.subscribe("other", ["t"])
    assert len(await drain(other, 5)) == 5
    await other.close()


async def test_commits_survive_the_process(urls: DatabaseUrls, log: PostgresEventLog) -> None:
    await log.publish([envelope(number) for number in range(3)])
    first = await log.subscribe("g", ["t"])
    await drain(first, 3)
    await first.commit({partition_of("t", "key"): 2})
    await first.close()

    again = await PostgresEventLog.open(urls, SystemClock())
    second = await again.subscribe("g", ["t"])
    assert [delivery.offset for delivery in await drain(second, 1)] == [2]
    await second.close()
    await again.close()


async def test_a_second_member_waits_and_takes_over_where_the_first_had_committed(
    urls: DatabaseUrls, log: PostgresEventLog
) -> None:
    elsewhere = await PostgresEventLog.open(urls, SystemClock())
    await log.publish([envelope(number) for number in range(3)])
    first, second = await log.subscribe("g", ["t"]), await elsewhere.subscribe("g", ["t"])
    read = await drain(first, 3)
    assert await second.fetch(10, 0.3) == []
    with pytest.raises(CommitRefused):
        await second.commit({read[0].partition: 3})

    waiting = asyncio.create_task(second.fetch(10, 10))
    await first.commit({read[0].partition: 1})
    await first.close()
    assert [delivery.offset for delivery in await waiting] == [1, 2]
    with pytest.raises(CommitRefused):
        await first.commit({read[0].partition: 3})
    await second.close()
    await elsewhere.close()


async def test_a_member_that_loses_its_connection_cannot_commit_and_reads_again(
    urls: DatabaseUrls, log: PostgresEventLog
) -> None:
    await log.publish([envelope(number) for number in range(2)])
    member = await log.subscribe("g", ["t"])
    read = await drain(member, 2)
    async with log._db.transaction() as transaction:
        await transaction.connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )

    with pytest.raises(CommitRefused):
        await member.commit({read[0].partition: 2})
    assert [delivery.offset for delivery in await drain(member, 2)] == [0, 1]
    await member.close()


async def test_a_waiting_member_is_woken_by_a_publication_of_its_process(urls: DatabaseUrls) -> None:
    log = await PostgresEventLog.open(urls, SystemClock(), poll=60)
    member = await log.subscribe("g", ["t"])
    waiting = asyncio.create_task(member.fetch(10, 60))
    while member._next is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    await log.publish([envelope(1)])
    async with asyncio.timeout(5):
        assert len(await waiting) == 1
    await member.close()
    await log.close()


async def test_a_publication_of_another_process_is_found_by_looking(
    urls: DatabaseUrls, log: PostgresEventLog
) -> None:
    elsewhere = await PostgresEventLog.open(urls, SystemClock())
    member = await log.subscribe("g", ["t"])
    waiting = asyncio.create_task(member.fetch(10, 10))

    await elsewhere.publish([envelope(1)])
    assert len(await waiting) == 1
    await member.close()
    await elsewhere.close()


async def test_nothing_is_returned_when_the_time_is_over(log: PostgresEventLog) -> None:
    member = await log.subscribe("g", ["t"])
    started = asyncio.get_running_loop().time()

    assert await member.fetch(10, 0.2) == []
    assert 0.2 <= asyncio.get_running_loop().time() - started < 5
    await member.close()


async def test_a_consumer_that_keeps_its_own_positions_goes_on_at_them(log: PostgresEventLog) -> None:
    await log.publish([envelope(number) for number in range(4)])
    asked: list[Partition] = []

    async def positions(partition: Partition) -> int | None:
        asked.append(partition)
        return 2 if partition == partition_of("t", "key") else None

    member = await log.subscribe("g", ["t"], positions=positions)
    assert [delivery.offset for delivery in await drain(member, 2)] == [2, 3]
    assert sorted(asked) == [Partition("t", number) for number in range(PARTITIONS)]
    await member.close()


async def test_a_long_partition_does_not_starve_the_others(log: PostgresEventLog) -> None:
    keys = ["long", next(key for key in "abcdefgh" if partition_of("t", key) != partition_of("t", "long"))]
    await log.publish([*(envelope(number, key=keys[0]) for number in range(50)), envelope(0, key=keys[1])])
    member = await log.subscribe("g", ["t"])

    assert keys[1] in {delivery.envelope.key for delivery in await member.fetch(4, 1)}
    await member.close()


async def test_topics_are_apart(log: PostgresEventLog) -> None:
    await log.publish([envelope(1, topic="one"), envelope(2, topic="two"), envelope(3, topic="three")])
    member = await log.subscribe("g", ["one", "three"])

    assert {delivery.partition.topic for delivery in await drain(member, 2)} == {"one", "three"}
    await member.close()


async def test_a_cancelled_fetch_loses_nothing(log: PostgresEventLog) -> None:
    member = await log.subscribe("g", ["t"])
    for _ in range(20):
        fetching = asyncio.create_task(member.fetch(1, 5))
        await asyncio.sleep(random.random() / 100)
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
    await log.publish([envelope(number) for number in range(3)])

    assert [delivery.offset for delivery in await drain(member, 3)] == [0, 1, 2]
    await member.close()


async def test_an_unreachable_log_is_unavailable_and_comes_back(
    postgres: PostgresServer, urls: DatabaseUrls
) -> None:
    log = await PostgresEventLog.open(urls, SystemClock())
    member = await log.subscribe("g", ["t"])
    await log.publish([envelope(1)])
    name = urls.run_url.rpartition("/")[2]
    async with postgres.embedded._admin("postgres") as admin:
        await admin.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"), {"n": name}
        )
        with pytest.raises(BusUnavailable):
            await log.publish([envelope(2)])
        with pytest.raises(BusUnavailable):
            await member.fetch(1, 1)
        await admin.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    await log.publish([envelope(2)])
    assert [delivery.envelope.sequence for delivery in await drain(member, 2)] == [1, 2]
    await member.close()
    await log.close()
