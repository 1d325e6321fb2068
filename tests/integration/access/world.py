"""The gateway as it is wired: real database, real mTLS to its neighbours and from operators, real files, its own work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import httpx
from fastapi import FastAPI
from google.protobuf.message import Message

from callward.access.v1 import tenant_register_service_pb2, tenant_register_service_pb2_grpc
from callward_access.domain.model import Manifest, Recording
from callward_access.settings import AccessSettings
from callward_access.wiring import NAME, build
from callward_common.db import Database, WatermarkTracker
from callward_common.grpc.client import MtlsChannels
from callward_common.runtime.service import Runnable, Service
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import to_proto
from callward_embedded.databases import DatabaseUrls
from callward_embedded.file_objects import FileObjectStore
from tests.integration.access.neighbours import Audit, Decider, Opener, Reader, bindings, metadata_hash
from tests.support.bus import InMemoryBus
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, service_database
from tests.support.tenants import ACCESS_AUDIENCE, MERCY, OTHER, SUSPENDED
from tests.support.tokens import StaticIssuer, StaticJwksSource
from tests.unit.access.sealing import TENANT, MemoryObjects, noise, seal

PHI = "+15125550199"
METADATA = f'{{"telephone": "{PHI}", "patientReference": "MRN-PLANTED-0815"}}'.encode()
MFA = {"amr": ["pwd", "otp"]}
#: A pace in bytes per second at which nothing here has to wait: the clock of these tests stands still.
FAST = 10_000_000
CONTENT = noise(400_000)
PEAKS = noise(70_000, 2)


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


@dataclass(kw_only=True)
class Around:
    """What is around the gateway: time, events, neighbours, issuers."""

    clock: ManualClock
    bus: InMemoryBus
    channels: EachItsOwn
    reader: Reader
    decider: Decider
    opener: Opener
    audit: Audit
    people: StaticIssuer
    other: StaticIssuer
    machines: StaticIssuer
    closed: StaticIssuer
    jwks: StaticJwksSource


def around() -> Around:
    """Everything that needs no server."""
    clock, bus = ManualClock(), InMemoryBus()
    people, machines = StaticIssuer.people(clock), StaticIssuer.machines(clock)
    other = StaticIssuer("https://people.other.example", clock)
    closed = StaticIssuer("https://people.closed.example", clock)
    return Around(
        clock=clock,
        bus=bus,
        channels=EachItsOwn(),
        reader=Reader(),
        decider=Decider(),
        opener=Opener(clock),
        audit=Audit(bus),
        people=people,
        other=other,
        machines=machines,
        closed=closed,
        jwks=StaticJwksSource([people, other, machines, closed]),
    )


@dataclass(kw_only=True)
class World(Around):
    """Everything a test looks at."""

    db: Database
    urls: DatabaseUrls
    objects: FileObjectStore
    service: Service = field(init=False)
    door: Callable[[str], MtlsChannels] = field(init=False)

    def build(self, settings: AccessSettings) -> Service:
        """The service on this database, bus and store."""
        return build(
            settings,
            db=self.db,
            bus=self.bus,
            clock=self.clock,
            channels=self.channels,
            objects=self.objects,
            jwks=self.jwks,
        )

    async def ready(self) -> None:
        """Register three tenants, and wait until the gateway knows them and has heard of audit."""
        for record in (MERCY, OTHER, SUSPENDED):
            await self.put(record)

        async def projected() -> bool:
            return len(await self.rows("SELECT 1 FROM tenants")) == 3

        await until(projected)
        await self.heard()

    def bearer(
        self, issuer: StaticIssuer | None = None, subject: str = "sam", **claims: Any
    ) -> dict[str, str]:
        """A supervisor of MERCY with a second factor, unless said otherwise."""
        said = {"roles": ["supervisor"], **MFA, **claims}
        return {
            "Authorization": (issuer or self.people).bearer(said.pop("aud", ACCESS_AUDIENCE), subject, **said)
        }

    async def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request by a client that keeps no cookies; as the supervisor unless `headers` are given."""
        assert self.service.http is not None
        transport = httpx.ASGITransport(self.service.http)
        async with httpx.AsyncClient(transport=transport, base_url="https://access") as client:
            sent = self.bearer() if headers is None else headers
            return await client.request(method, path, headers=sent, **more)

    async def opened(self, recording: Recording, purpose: str = "HOPERAT", **headers: str) -> httpx.Response:
        path = f"/v1/recordings/{recording.summary.recording_id}/listening-sessions"
        answer = await self.call("POST", path, self.bearer() | headers, json={"purpose": purpose})
        assert answer.status_code == 201, answer.text
        return answer

    async def add(
        self,
        content: bytes = CONTENT,
        *,
        parts: Sequence[bytes] = (),
        peaks: bytes | None = PEAKS,
        tenant: str = TENANT,
        state: str = "sealed",
        pace: int = FAST,
    ) -> Recording:
        """A sealed recording in the real store, known to ingest and key-management; `parts` stand for `content`."""
        memory = MemoryObjects()
        parts = parts or (content[:100_000], content[100_000:])
        sealed = seal(memory, *parts, peaks=peaks, metadata=METADATA, state=state, pace=pace, tenant=tenant)
        for part in (each for rendition in sealed.manifest.renditions for each in rendition.parts):
            stored = await self.objects.put(part.object_key, _once(memory.content[part.object_key]))
            part.version_id = stored.version_id
        sealed.recording = Recording(
            sealed.recording.summary,
            sealed.recording.key_id,
            Manifest(sealed.manifest.SerializeToString()),
            sealed.recording.call_metadata,
        )
        known = sealed.recording.summary
        self.reader.known[tenant, known.recording_id] = sealed.recording
        self.opener.registered |= {
            known.recording_id: sealed.registered,
            known.call_id: metadata_hash(sealed.recording),
        }
        return sealed.recording

    async def rebuilt(self, settings: AccessSettings) -> FastAPI:
        """The door of another process of the gateway on the same database."""
        again = self.build(settings)
        tracker = next(each for each in again.background if isinstance(each, WatermarkTracker))
        await tracker.poll()
        assert again.http is not None
        return again.http

    def register(self, caller: str = "operator") -> Any:
        """The register's stub, as a component."""
        return tenant_register_service_pb2_grpc.TenantRegisterStub(self.door(caller).channel(NAME))

    async def put(self, record: TenantRecord) -> None:
        await self.register().PutTenant(tenant_register_service_pb2.PutTenantRequest(tenant=to_proto(record)))

    async def rows(self, query: str, *values: Any, tenant: str = "") -> list[asyncpg.Record]:
        """Ask as the owner of the tables."""
        connection = await asyncpg.connect(self.urls.owner_url)
        try:
            await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def on_record(self, event_id: str) -> bool:
        """Whether an event is durable: in the outbox, or gone from there because audit has it."""
        if any(envelope.id == event_id for envelope in self.bus.published):
            return True
        return bool(await self.rows("SELECT 1 FROM outbox WHERE event_id = $1", event_id))

    async def events(self, kind: str, count: int = 1) -> list[Any]:
        """The published events of a kind, once there are so many of them."""

        def found() -> list[Message]:
            return [each.message() for each in self.bus.published if each.type.endswith(f".{kind}")]

        async def enough() -> bool:
            return len(found()) >= count

        await until(enough)
        return found()

    async def heard(self) -> None:
        """Wait until the tracker has heard of audit at the clock's present time."""
        tracker = next(each for each in self.service.background if isinstance(each, WatermarkTracker))

        async def known() -> bool:
            return await tracker.behind() is not None

        await until(known)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@asynccontextmanager
async def working(runnables: Sequence[Runnable]) -> AsyncIterator[None]:
    """Run what a service does all the time, as long as the block lasts."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop), name=each.name) for each in runnables]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def world(
    postgres: PostgresServer, folder: Path, settings: AccessSettings, pool_size: int
) -> AsyncIterator[World]:
    """Wire the gateway up with its neighbours; three tenants are registered."""
    found = around()
    async with AsyncExitStack() as stack:
        opening = service_database(postgres, "callward_access", NAME, clock=found.clock, pool_size=pool_size)
        database = await stack.enter_async_context(opening)
        for component, bound in bindings(found.reader, found.decider, found.opener, found.audit).items():
            of = await stack.enter_async_context(run_servicers(component, bound, identities()))
            found.channels.channels[component] = of(NAME)
        objects = FileObjectStore(folder, found.clock)
        await objects.start()
        stack.push_async_callback(objects.close)
        made = World(**vars(found), db=database.database, urls=database.urls, objects=objects)
        made.service = made.build(settings)
        serving = run_servicers(NAME, made.service.grpc, identities())
        made.door = await stack.enter_async_context(serving)
        found.opener.on_record = made.on_record
        await stack.enter_async_context(working([*made.service.consumers, *made.service.background]))
        await made.ready()
        yield made
