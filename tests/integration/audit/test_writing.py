"""The ledger is written exactly once, by one writer, and stands still rather than lose or guess an event."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from callward.audit.v1.events_pb2 import AuditAccessDenied
from callward.consent.v1.events_pb2 import ConsentRevoked
from callward.retention.v1.events_pb2 import RetentionPlanned
from callward_audit.domain.errors import WriterFenced
from callward_audit.facts import fact
from callward_audit.work import WRITER_LOCK
from callward_common.errors import CallwardError
from callward_common.events.bus import Partition
from callward_crypto.checkpoint import verify_note
from callward_embedded.event_subscription import LogSubscription
from tests.integration.audit.world import LOG, ORIGIN, World, event, until
from tests.support import rfc9162
from tests.support.tenants import MERCY, OTHER


async def demand_whole_log(audit: World, envelopes: int) -> None:
    """As many leaves as events, each once, under the root that the head's checkpoint says."""
    leaves = await audit.every_leaf()
    assert len(leaves) == len(set(leaves)) == await audit.size() == envelopes
    await audit.covered(envelopes)
    rows = await audit.rows("SELECT size, root, note FROM checkpoints WHERE log = $1 ORDER BY size", LOG)
    for row in rows:
        assert row["root"] == rfc9162.root(leaves[: row["size"]])
        assert rfc9162.read_note(row["note"], audit.signer.public_key) == (ORIGIN, row["size"], row["root"])
        assert verify_note(row["note"], ORIGIN, audit.signer.public_key).root == row["root"]


async def test_events_of_every_topic_are_recorded_under_checkpoints(audit: World) -> None:
    mine = [event(number, key=f"key-{number}") for number in range(1, 30)]
    theirs = [
        event(number, source="consent", tenant=OTHER.tenant_id, message=ConsentRevoked())
        for number in range(1, 6)
    ]
    told = [
        event(1, source="audit", message=AuditAccessDenied(action="x")),
        event(6, source="consent", message=ConsentRevoked()),
    ]
    async with audit.at_work():
        await audit.publish(*mine, *theirs, *told)
        await audit.recorded(36)
        await demand_whole_log(audit, 36)
        assert len(await audit.bodies(OTHER.tenant_id)) == 5
        ingest, consent = await audit.watermark("ingest"), await audit.watermark("consent")
    assert (ingest.sequence, consent.sequence, ingest.log) == (29, 6, LOG)
    assert ingest.committed_at.ToDatetime(tzinfo=audit.clock.now().tzinfo) == audit.clock.now()


async def test_what_is_published_again_is_recorded_once(audit: World) -> None:
    envelopes = [event(number, key=f"key-{number % 3}") for number in range(1, 10)]
    # All of it twice before audit reads anything: one batch holds both.
    await audit.publish(*envelopes, *envelopes)
    async with audit.at_work():
        await audit.recorded(9)
        await audit.publish(*envelopes[2:5], event(10))
        await audit.recorded(10)
        await demand_whole_log(audit, 10)
        assert (await audit.watermark("ingest")).sequence == 10


@pytest.mark.parametrize("settings", [{"batch": 3}], indirect=True)
async def test_a_restart_goes_on_where_the_record_ends(audit: World) -> None:
    await audit.publish(*[event(number, key=f"key-{number}") for number in range(1, 8)])
    async with audit.at_work():
        await audit.recorded(7)
    await audit.publish(*[event(number, key=f"key-{number}") for number in range(8, 12)])
    async with audit.at_work(audit.build()):
        await audit.recorded(11)
        await demand_whole_log(audit, 11)


class Crash(Exception):
    """The process ends here."""


async def crashed(audit: World) -> None:
    with pytest.raises(Crash):
        await asyncio.wait_for(audit.writer(audit.build()).run(asyncio.Event()), 15)


async def test_a_crash_after_the_record_and_before_the_bus_knows(
    audit: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(self: LogSubscription, positions: Mapping[Partition, int]) -> None:
        raise Crash

    await audit.publish(*[event(number, key=f"key-{number}") for number in range(1, 6)])
    with monkeypatch.context() as patch:
        patch.setattr(LogSubscription, "commit", crash)
        await crashed(audit)
    assert await audit.size() == 5
    async with audit.at_work():
        await audit.publish(event(6))
        await audit.recorded(6)
        await demand_whole_log(audit, 6)


async def test_a_crash_between_fetch_and_record_loses_nothing(
    audit: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callward_audit.store import DatabaseLedgerUnit

    async def crash(self: DatabaseLedgerUnit, positions: Mapping[Partition, int]) -> None:
        raise Crash

    await audit.publish(*[event(number, key=f"key-{number}") for number in range(1, 6)])
    with monkeypatch.context() as patch:
        # The last thing in the transaction: leaves, nodes, head, inbox and watermark are written and not committed.
        patch.setattr(DatabaseLedgerUnit, "move", crash)
        await crashed(audit)
    assert await audit.size() == 0
    for table in ("nodes", "inbox", "producers", "positions", "logs"):
        assert await audit.rows(f"SELECT 1 FROM {table}") == []
    assert (await audit.watermark("ingest")).sequence == 0
    async with audit.at_work():
        await audit.recorded(5)
        await demand_whole_log(audit, 5)


async def test_an_older_writer_is_fenced_off(audit: World) -> None:
    writer = audit.writer()
    app, ledger = writer._app, writer._ledger
    older, newer = await ledger.begin_epoch(), await ledger.begin_epoch()
    one, place = fact(event(1)), {Partition("callward.ingest.v1", 0): 1}
    with pytest.raises(WriterFenced):
        await app.append(older, [one], place)
    assert await audit.size() == 0
    assert await audit.rows("SELECT 1 FROM inbox") == []
    assert await app.append(newer, [one], place) == 1


async def test_a_second_writer_takes_over_when_the_first_loses_its_lock(audit: World) -> None:
    second = audit.build()
    async with audit.at_work(), audit.at_work(second):
        await audit.publish(event(1))
        await audit.recorded(1)

        async def one_leads() -> bool:
            return [audit.writer().leads(), audit.writer(second).leads()].count(True) == 1

        await until(one_leads)
        await kill_holder_of_the_lock(audit)
        await audit.publish(*[event(number, key=f"key-{number}") for number in range(2, 20)])
        await audit.recorded(19)
        await until(one_leads)
        await demand_whole_log(audit, 19)
        assert (await audit.watermark("ingest")).sequence == 19


async def kill_holder_of_the_lock(audit: World) -> None:
    connection = await asyncpg.connect(audit.urls.run_url)
    query = """SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = $1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    killed = await connection.fetch(query, WRITER_LOCK)
    await connection.close()
    assert len(killed) == 1


def unknown_type(sequence: int) -> object:
    return replace(event(sequence), type="callward.ingest.v1.NewerThanAudit")


def broken_data(sequence: int) -> object:
    return replace(event(sequence), data=b"\xff\xff\xff")


def in_anothers_name(sequence: int) -> object:
    return replace(event(sequence), source="access-gateway")


def of_anothers_type(sequence: int) -> object:
    return replace(event(sequence, message=ConsentRevoked()), topic="callward.ingest.v1")


@pytest.mark.parametrize(
    ("poison", "cause"),
    [
        (unknown_type, "unmapped-event"),
        (broken_data, "invalid-envelope"),
        (in_anothers_name, "invalid-envelope"),
        (of_anothers_type, "invalid-envelope"),
    ],
)
@pytest.mark.parametrize("settings", [{"batch": 2}], indirect=True)
async def test_an_event_that_cannot_be_recorded_halts_everything(
    audit: World, poison: object, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    await audit.publish(event(1), event(2), poison(3), event(4), event(5))  # type: ignore[operator]
    for _ in range(2):  # also after a restart
        caplog.clear()
        writer = audit.writer(audit.build())
        with pytest.raises(CallwardError) as halted:
            await asyncio.wait_for(writer.run(asyncio.Event()), 15)
        assert halted.value.type == cause
        assert not writer.leads()
        assert await audit.size() == 2
        watermark = await audit.watermark("ingest")
        assert watermark.sequence == 2
        (alarm,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert alarm.error_type == cause  # type: ignore[attr-defined]


async def test_a_gap_holds_the_watermark_until_it_is_filled(audit: World) -> None:
    keys = {1: "a", 2: "b", 4: "c", 5: "d"}  # in different partitions
    async with audit.at_work():
        await audit.publish(*[event(number, key=key) for number, key in keys.items()])
        await audit.recorded(4)
        first = await audit.watermark("ingest")
        audit.clock.advance(timedelta(seconds=9))
        await audit.publish(event(7, key="e"))
        await audit.recorded(5)
        still = await audit.watermark("ingest")
        assert (first.sequence, still.sequence) == (2, 2)
        # It says since when: a batch that does not reach further does not count.
        assert still.committed_at == first.committed_at
        await audit.publish(event(3, key="f"))
        await audit.recorded(6)
        filled = await audit.watermark("ingest")
        assert filled.sequence == 5
        assert filled.committed_at.ToDatetime() == audit.clock.now().replace(tzinfo=None)


async def test_a_producer_of_which_nothing_is_known_has_no_watermark(audit: World) -> None:
    answer = await audit.watermark("retention")
    assert (answer.sequence, answer.HasField("committed_at"), answer.log) == (0, False, "")
    async with audit.at_work():
        await audit.publish(event(2, source="retention", message=RetentionPlanned()))
        await audit.recorded(1)
        answer = await audit.watermark("retention")
    assert (answer.sequence, answer.HasField("committed_at")) == (0, False)


async def test_nobody_else_asks_for_a_watermark(audit: World) -> None:
    with pytest.raises(CallwardError) as refused:
        await audit.watermark("operator")
    assert refused.value.type == "caller-not-allowed"


@pytest.mark.parametrize("table", ["leaves", "nodes", "checkpoints"])
async def test_what_is_written_stays(audit: World, table: str) -> None:
    async with audit.at_work():
        await audit.publish(event(1), event(2))
        await audit.covered(2)
    column = {"leaves": "body", "nodes": "hash", "checkpoints": "note"}[table]
    before = await audit.rows(f"SELECT * FROM {table}")
    assert before
    statements = (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}")
    run, owner = await connected(audit.urls.run_url), await connected(audit.urls.owner_url)
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run.execute(statement)
    if table == "leaves":
        # Row-level security has no policy to change or remove a leaf: even its owner finds none to touch.
        assert [await owner.execute(each) for each in statements[:2]] == ["UPDATE 0", "DELETE 0"]
        await owner.execute("ALTER TABLE leaves NO FORCE ROW LEVEL SECURITY")
    for statement in statements:
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    await run.close()
    await owner.close()
    assert await audit.rows(f"SELECT * FROM {table}") == before


async def connected(url: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    return connection


async def test_leaves_are_shown_to_their_tenant_only(audit: World) -> None:
    async with audit.at_work():
        await audit.publish(event(1), event(2, tenant=OTHER.tenant_id))
        await audit.recorded(2)
    connection = await asyncpg.connect(audit.urls.run_url)
    assert await connection.fetch("SELECT 1 FROM leaves") == []
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", OTHER.tenant_id)
    assert len(await connection.fetch("SELECT 1 FROM leaves")) == 1
    await connection.close()


async def test_a_tree_that_was_tampered_with_gets_no_checkpoint(audit: World) -> None:
    async with audit.at_work():
        await audit.publish(event(1), event(2))
        await audit.covered(2)
    await audit.rows("UPDATE logs SET frontier = ARRAY[decode(repeat('00', 32), 'hex')]")
    async with audit.at_work():
        await audit.publish(event(3))
        await audit.recorded(3)

        async def refused() -> bool:
            return audit.signer.conflicts > 0

        await until(refused)
    rows = await audit.rows("SELECT max(size) AS size FROM checkpoints")
    assert rows[0]["size"] == 2


async def test_a_year_turns(audit: World) -> None:
    async with audit.at_work():
        await audit.publish(event(1), event(2), event(3))
        await audit.covered(3)
        audit.clock.advance(timedelta(days=60))
        await audit.publish(event(4), event(5))
        await audit.recorded(3, "2027-0")
        await audit.covered(3, "2027-0")
        note = (await audit.rows("SELECT note FROM checkpoints WHERE log = $1 AND size = 3", LOG))[0]["note"]
        leaves = await audit.every_leaf("2027-0")
        assert leaves[0] == note.encode()
        assert await audit.size() == 3
        watermark = await audit.watermark("ingest")
        assert (watermark.sequence, watermark.log) == (5, "2027-0")
        checkpoint = await audit.get("/v1/logs/2027-0/checkpoint")
        origin = "callward.example/logs/2027-0"
        assert rfc9162.read_note(checkpoint.text, audit.signer.public_key) == (
            origin,
            3,
            rfc9162.root(leaves),
        )
