"""Transactions: what is committed, what is undone, and what a failing database looks like."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from callward.consent.v1.consent_recorder_service_pb2 import RegisterCallRequest
from callward_common.db import Database, DatabaseUnavailable
from callward_common.db.tables import outbox
from callward_common.events.privacy import InvalidEvent
from callward_common.ids import new_id
from tests.integration.common_data.fakes import TENANT, emit, granted, until
from tests.support.clock import ManualClock


async def count(db: Database) -> int:
    async with db.transaction() as transaction:
        number: int = (
            await transaction.connection.execute(select(func.count()).select_from(outbox))
        ).scalar_one()
        return number


async def test_events_and_callbacks_share_the_fate_of_the_transaction(db: Database) -> None:
    ran: list[str] = []

    async def fail() -> None:
        async with db.transaction(TENANT) as transaction:
            transaction.on_commit(lambda: ran.append("failed"))
            transaction.emit(granted(), key="r", tenant=TENANT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await count(db), ran, db.woken.is_set()) == (0, [], False)
    async with db.transaction(TENANT) as transaction:
        transaction.on_commit(lambda: ran.append("done"))
        transaction.emit(granted(), key="r", tenant=TENANT)
        assert ran == []
    assert (await count(db), ran, db.woken.is_set()) == (1, ["done"], True)


async def test_an_event_id_is_used_once(db: Database) -> None:
    event_id = new_id()
    async with db.transaction(TENANT) as transaction:
        assert transaction.emit(granted(), key="r", tenant=TENANT, event_id=event_id) == event_id
    with pytest.raises(IntegrityError, match="outbox_event_id_key"):
        async with db.transaction(TENANT) as transaction:
            transaction.emit(granted(), key="r", tenant=TENANT, event_id=event_id)


async def test_what_is_no_event_of_the_transaction_is_refused(db: Database) -> None:
    async with db.transaction(TENANT) as transaction:
        with pytest.raises(InvalidEvent, match="another tenant"):
            transaction.emit(granted(), key="r", tenant="other")
        with pytest.raises(InvalidEvent, match="key"):
            transaction.emit(granted(), key="", tenant=TENANT)
        with pytest.raises(InvalidEvent, match="no topic"):
            transaction.emit(RegisterCallRequest(), key="r", tenant=TENANT)
        with pytest.raises(InvalidEvent, match="larger than 262144 bytes"):
            transaction.emit(granted(purpose="x" * 262_144), key="r", tenant=TENANT)
    assert await count(db) == 0


async def test_a_denial_of_nobodys_tenant_can_be_told(db: Database) -> None:
    async with db.transaction() as transaction:
        transaction.emit(granted(), key="r", tenant="")
    assert await count(db) == 1


@pytest.mark.parametrize("dedicated", [False, True], ids=["pooled", "dedicated"])
async def test_a_cancelled_statement_leaves_no_session_behind(db: Database, dedicated: bool) -> None:
    async def hang() -> None:
        async with db.dedicated() if dedicated else db.engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(60) /* hangs */"))

    async def hanging() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%/* hangs */' AND datname = current_database()"
        async with db.transaction() as transaction:
            return bool(await transaction.connection.scalar(text(query)))

    async def gone() -> bool:
        return not await hanging()

    task = asyncio.create_task(hang())
    await until(hanging)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(gone)


async def test_a_statement_that_takes_too_long_is_ended(urls: Any, clock: ManualClock) -> None:
    db = Database.connect(urls.run_url, producer="p", clock=clock, statement_timeout=0.05)
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with db.transaction() as transaction:
            await transaction.connection.execute(text("SELECT pg_sleep(60)"))
    await db.close()


async def test_a_session_idle_in_a_transaction_is_ended(urls: Any, owner: Any, clock: ManualClock) -> None:
    db = Database.connect(urls.run_url, producer="idler", clock=clock, idle_timeout=0.05)

    async def ended() -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callward-idler'"
        return bool(await owner.fetchval(query) == 0)

    async def idle() -> None:
        async with db.transaction() as transaction:
            await until(ended)
            await transaction.connection.execute(select(1))

    with pytest.raises(DatabaseUnavailable):
        await idle()
    await db.close()


async def test_no_free_connection_is_unavailable(urls: Any, clock: ManualClock) -> None:
    db = Database.connect(urls.run_url, producer="p", clock=clock, pool_size=1, connect_timeout=0.05)
    async with db.transaction():
        with pytest.raises(DatabaseUnavailable):
            await db.ping()
    await db.ping()
    await db.close()


async def test_a_database_that_does_not_answer_is_unavailable(clock: ManualClock) -> None:
    db = Database.connect("postgresql://nobody@127.0.0.1:1/none", producer="p", clock=clock)
    with pytest.raises(DatabaseUnavailable) as caught:
        await db.ping()
    assert caught.value.retry_after == 1.0
    assert "nobody" not in caught.value.detail
    await db.close()


async def test_the_pool_recovers_when_its_sessions_were_ended(db: Database, owner: Any) -> None:
    await emit(db)
    with pytest.raises(DatabaseUnavailable):
        async with db.transaction() as transaction:
            # By itself: the owner of the tables may not end the run role's sessions.
            await transaction.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await emit(db)
    assert await count(db) == 2
