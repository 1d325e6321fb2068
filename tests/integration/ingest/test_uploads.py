"""Retries, neighbours that are away, and what happens between start and end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from callward_common.errors import Unavailable
from callward_ingest.store.process_hold import LOCK_CLASS, ProcessHold
from tests.integration.ingest.world import World
from tests.unit.ingest.scene import wav


async def test_a_retry_gets_the_stored_answer_and_another_body_a_conflict(ingest: World) -> None:
    call_id = await ingest.opened()
    first = await ingest.upload(call_id)
    again = await ingest.upload(call_id)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    other = await ingest.upload(call_id, wav() + b"\0")
    assert (other.status_code, other.json()["type"]) == (409, "urn:callward:problem:idempotency-key-reused")
    assert len(await ingest.rows("SELECT 1 FROM recordings")) == 1


async def test_small_requests_are_done_once_per_key(ingest: World) -> None:
    body = ingest.call_body()
    first = await ingest.post("/v1/calls", body, **{"Idempotency-Key": "call-1"})
    again = await ingest.post("/v1/calls", body, **{"Idempotency-Key": "call-1"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = await ingest.post("/v1/calls", body | {"notes": "other"}, **{"Idempotency-Key": "call-1"})
    assert (other.status_code, other.json()["type"]) == (409, "urn:callward:problem:idempotency-key-reused")
    assert len(await ingest.rows("SELECT 1 FROM calls")) == 1
    ingest.clock.advance(timedelta(days=8))
    later = await ingest.post("/v1/calls", body | {"notes": "other"}, **{"Idempotency-Key": "call-1"})
    assert later.status_code == 201


async def test_concurrent_requests_with_one_key_make_one_recording(ingest: World) -> None:
    call_id = await ingest.opened()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.set()
        await go_on.wait()
        yield wav()

    first = asyncio.create_task(ingest.upload(call_id, slow()))
    await begun.wait()
    second = await ingest.upload(call_id)
    assert (second.status_code, second.json()["type"]) == (409, "urn:callward:problem:idempotency-key-in-use")
    assert int(second.headers["retry-after"]) >= 1
    go_on.set()
    assert (await first).status_code == 201
    racing = await asyncio.gather(*(ingest.upload(call_id, key="race") for _ in range(5)))
    assert {answer.status_code for answer in racing} <= {201, 409}
    assert len({answer.json()["recordingId"] for answer in racing if answer.status_code == 201}) == 1
    assert len(await ingest.rows("SELECT 1 FROM recordings WHERE state = 'sealed'")) == 2


async def test_consent_that_is_revoked_while_the_body_comes_in_quarantines(ingest: World) -> None:
    call_id = await ingest.opened()

    async def body() -> AsyncIterator[bytes]:
        yield wav()[:1000]
        revocation = {"partyId": "patient", "revokedAt": "2026-11-24T08:58:00Z"}
        revoked = await ingest.post(f"/v1/calls/{call_id}/revocations", revocation)
        assert revoked.json()["decision"]["outcome"] == "revoked"
        yield wav()[1000:]

    taken = await ingest.upload(call_id, body())
    assert taken.status_code == 201, taken.text
    assert (taken.json()["state"], taken.json()["reasons"]) == ("quarantined", ["consent-revoked"])
    refused = await ingest.upload(call_id, key="after")
    assert (refused.status_code, refused.json()["outcome"]) == (403, "revoked")


@pytest.mark.parametrize(
    ("neighbour", "rpc"),
    [
        ("consent", "Decide"),
        ("retention", "Plan"),
        ("keys", "GetFingerprintKey"),
        ("keys", "IssueDataKey"),
    ],
)
async def test_a_neighbour_that_is_away_is_503_and_the_same_key_ends_well_later(
    ingest: World, neighbour: str, rpc: str
) -> None:
    call_id = await ingest.opened()
    switch = getattr(ingest, neighbour).switch
    switch.failing[rpc] = Unavailable("away")
    refused = await ingest.upload(call_id)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:callward:problem:upload-failed")
    assert int(refused.headers["retry-after"]) >= 1
    assert not ingest.objects()
    switch.failing.clear()
    taken = await ingest.upload(call_id)
    assert (taken.status_code, taken.json()["state"]) == (201, "sealed")
    states = [row["state"] for row in await ingest.rows("SELECT state FROM recordings ORDER BY recording_id")]
    assert states[-1] == "sealed"
    assert set(states[:-1]) <= {"abandoned"}


@pytest.mark.parametrize(
    ("neighbour", "rpc"), [("keys", "SealDataKey"), ("keys", "SignReceipt"), ("consent", "Decide")]
)
async def test_what_came_whole_is_kept_while_a_neighbour_is_away_and_the_same_key_finds_its_receipt(
    ingest: World, neighbour: str, rpc: str
) -> None:
    call_id = await ingest.opened()
    switch = getattr(ingest, neighbour).switch

    async def body() -> AsyncIterator[bytes]:
        yield wav()
        switch.failing[rpc] = Unavailable("away")

    refused = await ingest.upload(call_id, body())
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:callward:problem:upload-not-sealed")
    assert int(refused.headers["retry-after"]) >= 1
    still = await ingest.upload(call_id)
    assert (still.status_code, still.json()["type"]) == (503, "urn:callward:problem:upload-not-sealed")
    switch.failing.clear()
    taken = await ingest.upload(call_id)
    assert (taken.status_code, taken.json()["state"]) == (201, "sealed")
    assert taken.headers["idempotent-replayed"] == "true"
    assert [row["state"] for row in await ingest.rows("SELECT state FROM recordings")] == ["sealed"]


@pytest.mark.parametrize("settings", [{"max_parallel_uploads": 1}], indirect=True)
async def test_uploads_past_the_most_at_once_are_turned_away(ingest: World) -> None:
    call_id = await ingest.opened()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.set()
        await go_on.wait()
        yield wav()

    first = asyncio.create_task(ingest.upload(call_id, slow()))
    await begun.wait()
    busy = await ingest.upload(call_id, key="other")
    assert (busy.status_code, busy.json()["type"]) == (503, "urn:callward:problem:uploads-busy")
    assert "retry-after" in busy.headers
    go_on.set()
    assert (await first).status_code == 201


async def test_an_attempt_that_was_lost_is_cleared_away_and_a_living_one_is_not(ingest: World) -> None:
    call_id = await ingest.opened()
    begun, go_on, also = asyncio.Event(), asyncio.Event(), asyncio.Event()
    living = asyncio.create_task(ingest.upload(call_id, held_back(begun, go_on)))
    await begun.wait()
    async with held_lock(ingest), ingest.another_process() as other:
        # Nobody holds the other process's lock: to PostgreSQL it is dead.
        lost = asyncio.create_task(other.upload(call_id, held_back(also, asyncio.Event()), "lost"))
        await also.wait()
        assert await ingest.sweep() == {"lost": 1}
        assert (await ingest.upload(call_id, key="lost")).status_code == 201
        states = await ingest.rows("SELECT state FROM recordings ORDER BY recording_id")
        assert [row["state"] for row in states] == ["receiving", "abandoned", "sealed"]
        go_on.set()
        assert (await living).status_code == 201
        lost.cancel()
        await asyncio.wait({lost})
    async with asyncio.timeout(10):
        # What is sealed is tidied up behind the answer.
        while await ingest.rows("SELECT 1 FROM open_uploads"):  # noqa: ASYNC110  # rows, no event tells
            await asyncio.sleep(0.01)
    assert await ingest.sweep() == {}
    assert len(ingest.objects()) == len(await ingest.object_keys())


@asynccontextmanager
async def held_lock(ingest: World) -> AsyncIterator[None]:
    """Keeps the lock by which a process is known to live."""
    (hold,) = [each for each in ingest.service.background if isinstance(each, ProcessHold)]
    connection = await asyncpg.connect(ingest.owner_url)
    try:
        await connection.execute(f"SELECT pg_advisory_lock({LOCK_CLASS}, {hold.number})")
        yield
    finally:
        await connection.close()


async def held_back(begun: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    yield wav()[:1000]
    begun.set()
    await go_on.wait()
    yield wav()[1000:]
