"""Ingest as it is wired, with a real database, real mTLS to its neighbours and real files."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import httpx

from callward.access.v1.events_pb2 import TenantChanged
from callward_common.db import Database
from callward_common.errors import Unavailable
from callward_common.events.envelope import Envelope
from callward_common.grpc.client import Channels, MtlsChannels
from callward_common.ids import new_id
from callward_common.runtime.service import Service
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import TenantProjection, to_proto
from callward_embedded.file_objects import FileObjectStore
from callward_ingest.app.sweeper import Sweeper
from callward_ingest.settings import IngestSettings
from callward_ingest.wiring import build
from tests.integration.ingest.neighbours import (
    Consent,
    Keys,
    Retention,
    consent_bindings,
    keys_bindings,
    retention_bindings,
)
from tests.support.bus import InMemoryBus
from tests.support.clock import ManualClock
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.postgres import PostgresServer, ServiceDatabase, service_database
from tests.support.tenants import MERCY, OTHER
from tests.support.tokens import StaticIssuer, StaticJwksSource
from tests.unit.ingest.scene import wav

AUDIENCE = "callward-ingest"
SCOPES = "calls:write recordings:write"
PHI = {"telephone": "+15125550199", "patientReference": "MRN-PLANTED-0815", "agentId": "agent-planted-7"}
NOTES = "Planted: asked about the biopsy"


class EachItsOwn:
    """Channels to several components."""

    def __init__(self, channels: dict[str, MtlsChannels]) -> None:
        self._channels = channels

    def channel(self, component: str) -> grpc.aio.Channel:
        if component not in self._channels:
            raise Unavailable(f"{component} has no address.")
        return self._channels[component].channel(component)


@dataclass
class World:
    """Everything a test looks at."""

    clock: ManualClock
    service: Service
    db: Database
    owner_url: str
    folder: Path
    bus: InMemoryBus
    consent: Consent
    retention: Retention
    keys: Keys
    mercy: StaticIssuer
    other: StaticIssuer
    people: StaticIssuer
    client: httpx.AsyncClient
    wire: Callable[[], "World"] | None = None

    @asynccontextmanager
    async def another_process(self) -> AsyncIterator["World"]:
        """A second ingest on the same database, objects and neighbours."""
        assert self.wire is not None
        second = self.wire()
        second.mercy, second.other = self.mercy, self.other
        assert second.service.http is not None
        transport = httpx.ASGITransport(second.service.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as second.client:
            yield second
        for close in second.service.close:
            await close()

    def bearer(
        self, issuer: StaticIssuer | None = None, scope: str = SCOPES, **claims: Any
    ) -> dict[str, str]:
        return {"Authorization": (issuer or self.mercy).bearer(AUDIENCE, "pbx-1", scope=scope, **claims)}

    def call_body(self, **changes: Any) -> dict[str, Any]:
        patient = {
            "partyId": "patient",
            "role": "patient",
            "jurisdictions": ["TX"],
            "telephone": PHI["telephone"],
        }
        return {
            "queue": "cardiology",
            "direction": "outbound",
            "startedAt": "2026-11-24T08:50:00Z",
            "parties": [{"partyId": "agent", "role": "organisation", "jurisdictions": ["CA"]}, patient],
            "patientReference": PHI["patientReference"],
            "agentId": PHI["agentId"],
            "notes": NOTES,
            **changes,
        }

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers=self.bearer() | headers)

    async def opened(self, *, permitted: bool = True, **changes: Any) -> str:
        """Opens a call, and has the patient say yes."""
        answer = await self.post("/v1/calls", self.call_body(**changes))
        assert answer.status_code == 201, answer.text
        call_id = str(answer.json()["callId"])
        if permitted:
            evidence = {
                "kind": "verbal-yes",
                "partyId": "patient",
                "offsetSeconds": 2.5,
                "givenAt": "2026-11-24T08:50:03Z",
            }
            given = await self.post(f"/v1/calls/{call_id}/evidence", evidence)
            assert given.status_code == 201, given.text
        return call_id

    async def upload(
        self, call_id: str, content: Any = None, key: str = "upload-1", **headers: str
    ) -> httpx.Response:
        return await self.client.post(
            "/v1/recordings",
            params={"call": call_id},
            content=wav() if content is None else content,
            headers=self.bearer() | {"Content-Type": "audio/wav", "Idempotency-Key": key} | headers,
        )

    async def rows(self, query: str, tenant: str = MERCY.tenant_id) -> list[asyncpg.Record]:
        """Asks as the owner of the tables, for one tenant."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def events(self) -> list[tuple[str, str, bytes]]:
        """Type, tenant and data of every event, in order."""
        rows = await self.rows("SELECT type, tenant_id, data FROM outbox ORDER BY id")
        return [(row["type"].rpartition(".")[2], row["tenant_id"], row["data"]) for row in rows]

    async def sweep(self) -> Counter[str]:
        """Lets the sweeper look once; returns what it came to."""
        (sweeper,) = [each for each in self.service.background if isinstance(each, Sweeper)]
        return await sweeper.sweep()

    async def object_keys(self) -> list[str]:
        """The keys of every object that a recording on record needs: its parts and its sidecar."""
        parts = await self.rows(
            "SELECT parts.object_key FROM parts JOIN recordings USING (tenant_id, recording_id)"
            " WHERE state IN ('sealed', 'quarantined')"
        )
        return [row[0] for row in [*parts, *await self.rows("SELECT object_key FROM manifests")]]

    def objects(self) -> list[bytes]:
        """The content of every file of the object store, finished or not."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".locks")
        return [path.read_bytes() for path in files]

    def tenant_event(self, record: TenantRecord) -> Envelope:
        """The register's event about a tenant."""
        message = TenantChanged(tenant=to_proto(record))
        return Envelope(
            id=new_id(),
            type=message.DESCRIPTOR.full_name,
            source="access-gateway",
            time=self.clock.now(),
            tenant=record.tenant_id,
            topic="callward.tenants.v1",
            key=record.tenant_id,
            sequence=1,
            enforced=True,
            traceparent=None,
            data=message.SerializeToString(),
        )

    async def provision(self, record: TenantRecord) -> None:
        """Puts a tenant into the projection, as the consumer does."""
        envelope = self.tenant_event(record)
        async with self.db.transaction() as transaction:
            await TenantProjection(self.db, self.clock).handler(transaction, envelope, envelope.message())


@dataclass(frozen=True)
class Neighbouring:
    """The three fakes."""

    consent: Consent
    retention: Retention
    keys: Keys


@asynccontextmanager
async def neighbours(fakes: Neighbouring) -> AsyncIterator[Channels]:
    """Serves the three neighbours and gives ingest's channels to them."""
    async with AsyncExitStack() as stack:
        found: dict[str, MtlsChannels] = {}
        for component, bindings in (
            ("consent", consent_bindings(fakes.consent)),
            ("retention", retention_bindings(fakes.retention)),
            ("key-management", keys_bindings(fakes.keys)),
        ):
            channels_of: Callable[[str], MtlsChannels] = await stack.enter_async_context(
                run_servicers(component, bindings, identities())
            )
            found[component] = channels_of("ingest")
        yield EachItsOwn(found)


@asynccontextmanager
async def world(
    postgres: PostgresServer, folder: Path, settings: IngestSettings, pool_size: int
) -> AsyncIterator[World]:
    """Wires ingest up; its HTTP door is called in this process."""
    clock = ManualClock()
    neighbouring = Neighbouring(Consent(), Retention(), Keys(clock))
    objects = FileObjectStore(folder, clock)
    await objects.start()
    async with (
        service_database(postgres, "callward_ingest", "ingest", clock=clock, pool_size=pool_size) as database,
        neighbours(neighbouring) as channels,
        httpx.AsyncClient() as nowhere,
    ):
        issuers = StaticIssuer.machines(clock), StaticIssuer.people(clock)

        def wire() -> World:
            return _wired(
                settings, database, neighbouring, channels, objects, folder, clock, nowhere, issuers
            )

        made = wire()
        made.wire = wire
        assert made.service.http is not None
        transport = httpx.ASGITransport(made.service.http)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as made.client:
            await made.provision(MERCY)
            await made.provision(OTHER)
            yield made
        for close in made.service.close:
            await close()
    await objects.close()


def _wired(
    settings: IngestSettings,
    database: ServiceDatabase,
    neighbouring: Neighbouring,
    channels: Channels,
    objects: FileObjectStore,
    folder: Path,
    clock: ManualClock,
    client: httpx.AsyncClient,
    issuers: tuple[StaticIssuer, StaticIssuer],
) -> World:
    mercy, people = issuers
    other, bus = StaticIssuer("https://machines.other.example", clock), InMemoryBus()
    service = build(
        settings,
        db=database.database,
        bus=bus,
        clock=clock,
        channels=channels,
        objects=objects,
        jwks=StaticJwksSource([mercy, people, other]),
    )
    return World(
        clock=clock,
        service=service,
        db=database.database,
        owner_url=database.urls.owner_url,
        folder=folder,
        bus=bus,
        consent=neighbouring.consent,
        retention=neighbouring.retention,
        keys=neighbouring.keys,
        mercy=mercy,
        other=other,
        people=people,
        client=client,
    )
