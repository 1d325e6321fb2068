"""Ingest on its real servers: senders that go away, 100-continue, events that get published."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from callward_common.runtime.host import Host
from callward_common.runtime.running import Hosted
from tests.integration.ingest.neighbours import Gate
from tests.integration.ingest.world import World
from tests.support.pki import identities
from tests.support.tenants import MERCY, tenant
from tests.support.tokens import StaticIssuer
from tests.unit.ingest.scene import wav


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - rows and files of others are looked at, no event tells
            await asyncio.sleep(0.02)  # between two looks at the condition


@pytest.fixture
async def address(ingest: World) -> AsyncIterator[str]:
    """The address of the HTTP door, served by the host; the world's client calls it."""
    hosted = Hosted(ingest.service, identities()["ingest"], http_address="127.0.0.1:0")
    host = Host([hosted], drain_delay=0, grace=5)
    bound = (await host.start())["ingest"].http
    assert bound is not None
    async with httpx.AsyncClient(base_url=f"http://{bound}") as client:
        ingest.client = client
        yield bound
    await host.stop()


def head(ingest: World, call_id: str, length: int, key: str = "upload-1", **headers: str) -> bytes:
    fields = {
        "Host": "ingest",
        "Content-Type": "audio/wav",
        "Content-Length": str(length),
        "Idempotency-Key": key,
        **ingest.bearer(),
        **headers,
    }
    lines = [
        f"POST /v1/recordings?call={call_id} HTTP/1.1",
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_sender_that_stops_halfway_leaves_nothing(ingest: World, address: str) -> None:
    call_id = await ingest.opened()
    content = wav(seconds=60)
    _, writer = await connect(address)
    writer.write(head(ingest, call_id, len(content)) + content[: len(content) // 2])
    await writer.drain()

    async def state(wanted: str) -> bool:
        rows = await ingest.rows("SELECT state FROM recordings")
        return [row["state"] for row in rows] == [wanted]

    await until(lambda: state("receiving"))

    async def encrypted_bytes_arrive() -> bool:
        return any(len(found) > 65536 for found in ingest.objects())

    await until(encrypted_bytes_arrive)
    assert not any(content[1000:1064] in found for found in ingest.objects())
    writer.close()
    await writer.wait_closed()
    await until(lambda: state("abandoned"))

    async def key_given_up() -> bool:
        return (
            ingest.keys.states[str((await ingest.rows("SELECT recording_id FROM recordings"))[0][0])]
            != "open"
        )

    await until(key_given_up)
    assert not ingest.objects()
    assert not await ingest.rows("SELECT 1 FROM idempotency")
    again = await ingest.upload(call_id, content)
    assert (again.status_code, again.json()["state"]) == (201, "sealed")


async def test_a_sender_that_goes_away_before_the_answer_finds_its_receipt(
    ingest: World, address: str
) -> None:
    call_id = await ingest.opened()
    content = wav()
    gate = ingest.keys.switch.gates["SignReceipt"] = Gate()
    _, writer = await connect(address)
    writer.write(head(ingest, call_id, len(content)) + content)
    await writer.drain()
    await asyncio.wait_for(gate.reached.wait(), 10)
    writer.close()
    await writer.wait_closed()
    busy = await ingest.upload(call_id, content)
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:callward:problem:idempotency-key-in-use")
    gate.opened.set()

    async def sealed() -> bool:
        return bool(await ingest.rows("SELECT 1 FROM recordings WHERE state = 'sealed'"))

    await until(sealed)
    again = await ingest.upload(call_id, content)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")


async def test_100_continue_is_sent_only_after_consent_permits(ingest: World, address: str) -> None:
    content = wav()
    permitted, refused = await ingest.opened(), await ingest.opened(permitted=False)
    reader, writer = await connect(address)
    writer.write(head(ingest, permitted, len(content), Expect="100-continue"))
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(content)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201")
    writer.close()
    reader, writer = await connect(address)
    writer.write(head(ingest, refused, len(content), "upload-2", Expect="100-continue"))
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"application/problem+json" in answer
    writer.close()


async def test_a_refused_sender_that_sends_all_the_same_gets_its_answer(ingest: World, address: str) -> None:
    call_id = await ingest.opened(permitted=False)
    refused = await ingest.upload(call_id, wav(seconds=120))
    assert (refused.status_code, refused.json()["outcome"]) == (403, "evidence-missing")
    assert (await ingest.client.get("/.well-known/jwks.json")).status_code == 200


async def test_events_are_published_in_order_and_a_new_tenant_is_learnt(ingest: World, address: str) -> None:
    call_id = await ingest.opened()
    taken = (await ingest.upload(call_id)).json()

    async def published() -> bool:
        return len(ingest.bus.published) >= 2

    await until(published)
    kinds = [envelope.type.rpartition(".")[2] for envelope in ingest.bus.published]
    assert kinds == ["CallOpened", "RecordingSealed"]
    sealed = ingest.bus.published[-1]
    assert (sealed.id, sealed.key, sealed.tenant, sealed.source, sealed.enforced) == (
        taken["eventId"],
        taken["recordingId"],
        MERCY.tenant_id,
        "ingest",
        True,
    )
    machines = StaticIssuer("https://machines.new.example", ingest.clock)
    record = replace(tenant("new-clinic", "https://people.new.example", machines.issuer), version=2)
    # The key set is not known to this process: a known tenant answers 503, an unknown one 401.
    headers = ingest.bearer(machines)
    assert (await ingest.client.get("/v1/calls/x", headers=headers)).status_code == 401
    await ingest.bus.publish([ingest.tenant_event(record)])

    async def learnt() -> bool:
        return (await ingest.client.get("/v1/calls/x", headers=headers)).status_code == 503

    await until(learnt)
    assert json.loads((await ingest.client.get("/v1/calls/x", headers=headers)).text)["type"].endswith(
        "unavailable"
    )
