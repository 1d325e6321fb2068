"""Audit as it is wired: real database, the real event log, real mTLS to its neighbour and from producers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import grpc.aio
import httpx
from google.protobuf.message import Message
from sqlalchemy import insert

from callward.audit.v1 import actor_pb2, watermark_service_pb2, watermark_service_pb2_grpc
from callward.ingest.v1.events_pb2 import RecordingRefused
from callward_audit.settings import AuditSettings
from callward_audit.wiring import NAME, build
from callward_audit.work import LedgerWriter
from callward_common.db import Database
from callward_common.db.tables import tenants
from callward_common.events.envelope import Envelope
from callward_common.events.options import is_enforced, topic_of
from callward_common.grpc.client import MtlsChannels
from callward_common.ids import new_id
from callward_common.runtime.service import Runnable, Service
from callward_common.tenancy.projection import to_proto
from callward_embedded.databases import DatabaseUrls
from callward_embedded.event_log import PostgresEventLog
from tests.integration.audit.neighbours import Directory, Signer, bindings
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, service_database
from tests.support.tenants import AUDIT_AUDIENCE, MERCY, OTHER, SUSPENDED
from tests.support.tokens import StaticIssuer, StaticJwksSource

HOST = "callward.example"
LOG = "2026-0"
ORIGIN = f"{HOST}/logs/{LOG}"
MFA = {"amr": ["pwd", "otp"]}


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 15) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  # rows of others are looked at, no event tells
            await asyncio.sleep(0.02)  # between two looks at the condition


class EachItsOwn:
    """Channels to several components."""

    def __init__(self) -> None:
        self.channels: dict[str, MtlsChannels] = {}

    def channel(self, component: str) -> grpc.aio.Channel:
        return self.channels[component].channel(component)


def event(
    sequence: int,
    *,
    source: str = "ingest",
    tenant: str = MERCY.tenant_id,
    key: str = "key",
    message: Message | None = None,
    event_id: str | None = None,
) -> Envelope:
    """An event as a producer's relay publishes it."""
    actor = actor_pb2.Actor(
        kind=actor_pb2.ACTOR_KIND_MACHINE, id="pbx-1", issuer="https://machines.mercy.example"
    )
    told = message or RecordingRefused(
        actor=actor, call_id=new_id(), reasons=[f"reason-{sequence}", "é\u2028"]
    )
    return Envelope(
        id=event_id or new_id(),
        type=told.DESCRIPTOR.full_name,
        source=source,
        time=ManualClock().now(),
        tenant=tenant,
        topic=topic_of(told),
        key=key,
        sequence=sequence,
        enforced=is_enforced(told),
        traceparent=None,
        data=told.SerializeToString(),
    )


@dataclass
class World:
    """Everything a test looks at."""

    clock: ManualClock
    db: Database
    urls: DatabaseUrls
    bus: PostgresEventLog
    signer: Signer
    directory: Directory
    channels: EachItsOwn
    jwks: StaticJwksSource
    people: StaticIssuer
    machines: StaticIssuer
    others: StaticIssuer
    settings: AuditSettings
    service: Service = field(init=False)
    door: Callable[[str], MtlsChannels] = field(init=False)

    def build(self) -> Service:
        """The service on the same database and bus: another process of it."""
        return build(
            self.settings, db=self.db, bus=self.bus, clock=self.clock, channels=self.channels, jwks=self.jwks
        )

    def writer(self, service: Service | None = None) -> LedgerWriter:
        found = (service or self.service).consumers
        return next(each for each in found if isinstance(each, LedgerWriter))

    @asynccontextmanager
    async def at_work(self, service: Service | None = None) -> AsyncIterator[None]:
        """Everything that a service does all the time."""
        one = service or self.service
        async with working([*one.consumers, *one.background]):
            yield

    async def publish(self, *envelopes: Envelope) -> list[Envelope]:
        await self.bus.publish(envelopes)
        return list(envelopes)

    async def rows(self, query: str, *values: Any, tenant: str = MERCY.tenant_id) -> list[asyncpg.Record]:
        """Ask as the owner of the tables, for one tenant."""
        connection = await asyncpg.connect(self.urls.owner_url)
        try:
            await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def bodies(self, tenant: str = MERCY.tenant_id) -> list[bytes]:
        """The leaves of a tenant as they are stored."""
        query = "SELECT body FROM leaves WHERE log = $1 ORDER BY leaf_index"
        return [row["body"] for row in await self.rows(query, LOG, tenant=tenant)]

    async def every_leaf(self, log: str = LOG) -> list[bytes]:
        """All leaves of a log in order, also those of nobody's tenant, which no reader is shown."""
        connection = await asyncpg.connect(self.urls.owner_url)
        try:
            transaction = connection.transaction()
            await transaction.start()
            # Only the owner can, and only for as long as this transaction, which is undone.
            await connection.execute("ALTER TABLE leaves NO FORCE ROW LEVEL SECURITY")
            query = "SELECT leaf_index, body FROM leaves WHERE log = $1 ORDER BY leaf_index"
            rows = await connection.fetch(query, log)
            await transaction.rollback()
        finally:
            await connection.close()
        assert [row["leaf_index"] for row in rows] == list(range(len(rows)))
        return [row["body"] for row in rows]

    async def size(self, log: str = LOG) -> int:
        rows = await self.rows("SELECT size FROM logs WHERE log = $1", log)
        return int(rows[0]["size"]) if rows else 0

    async def recorded(self, size: int, log: str = LOG) -> None:
        """Wait until a log has so many leaves."""

        async def enough() -> bool:
            return await self.size(log) >= size

        await until(enough)

    async def covered(self, size: int, log: str = LOG) -> None:
        """Wait until a checkpoint covers so many leaves."""

        async def enough() -> bool:
            found = await self.rows("SELECT max(size) AS size FROM checkpoints WHERE log = $1", log)
            return (found[0]["size"] or 0) >= size

        await until(enough)

    async def watermark(self, producer: str) -> watermark_service_pb2.GetWatermarkResponse:
        """What audit tells a producer over gRPC."""
        stub = watermark_service_pb2_grpc.WatermarkStub(self.door(producer).channel(NAME))
        answer: watermark_service_pb2.GetWatermarkResponse = await stub.GetWatermark(
            watermark_service_pb2.GetWatermarkRequest()
        )
        return answer

    def siem(self, issuer: StaticIssuer | None = None, **claims: Any) -> dict[str, str]:
        """A machine that pulls events."""
        said = {"scope": "events:read", **claims}
        return {
            "Authorization": (issuer or self.machines).bearer(said.pop("aud", AUDIT_AUDIENCE), "siem", **said)
        }

    def auditor(self, **claims: Any) -> dict[str, str]:
        """A person who may read the record."""
        said = {"roles": ["auditor"], **MFA, **claims}
        return {"Authorization": self.people.bearer(said.pop("aud", AUDIT_AUDIENCE), "ada", **said)}

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """One request, as the SIEM unless `headers` are given."""
        assert self.service.http is not None
        transport = httpx.ASGITransport(self.service.http)
        async with httpx.AsyncClient(transport=transport, base_url="https://audit") as client:
            return await client.get(path, headers=self.siem() if headers is None else headers)


@asynccontextmanager
async def working(runnables: Sequence[Runnable]) -> AsyncIterator[None]:
    """Run things as long as the block lasts."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop), name=each.name) for each in runnables]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def provision(db: Database) -> None:
    """Put the tenants into the projection, as its consumer would."""
    records: Iterable[Any] = (MERCY, OTHER, SUSPENDED)
    rows = [
        {"tenant_id": each.tenant_id, "version": each.version, "data": to_proto(each).SerializeToString()}
        for each in records
    ]
    async with db.transaction() as transaction:
        await transaction.connection.execute(insert(tenants), rows)


@asynccontextmanager
async def world(postgres: PostgresServer, settings: AuditSettings, pool_size: int) -> AsyncIterator[World]:
    """Wire audit up. Nothing of it works before a test says so."""
    clock, channels = ManualClock(), EachItsOwn()
    signer, directory = Signer(), Directory()
    people, machines = StaticIssuer.people(clock), StaticIssuer.machines(clock)
    others = StaticIssuer("https://machines.other.example", clock)
    bus = await PostgresEventLog.open(await postgres.empty("events"), clock, poll=0.02)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        opening = service_database(postgres, "callward_audit", NAME, clock=clock, pool_size=pool_size)
        database = await stack.enter_async_context(opening)
        serving = run_servicers("key-management", bindings(signer, directory), identities())
        channels.channels["key-management"] = (await stack.enter_async_context(serving))(NAME)
        made = World(
            clock=clock,
            db=database.database,
            urls=database.urls,
            bus=bus,
            signer=signer,
            directory=directory,
            channels=channels,
            jwks=StaticJwksSource([people, machines, others]),
            people=people,
            machines=machines,
            others=others,
            settings=settings,
        )
        made.service = made.build()
        made.door = await stack.enter_async_context(run_servicers(NAME, made.service.grpc, identities()))
        channels.channels[NAME] = made.door(NAME)
        await provision(made.db)
        yield made
