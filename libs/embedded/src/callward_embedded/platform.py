"""Callward in one process: PostgreSQL, event log, objects, keys, certificates, an issuer, and the six services."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Self

import httpx

from callward_common.clock import Clock, SystemClock
from callward_common.db.database import Database
from callward_common.db.migrate import upgrade
from callward_common.db.waiting import wait_for_any
from callward_common.grpc.client import MtlsChannels
from callward_common.jwks import HttpJwksSource
from callward_common.runtime.host import Host
from callward_common.runtime.running import Addresses, Hosted
from callward_common.runtime.service import Service
from callward_common.runtime.web import address_of
from callward_embedded.accounts import Credentials
from callward_embedded.authority import CertificateAuthority
from callward_embedded.config import EmbeddedConfig
from callward_embedded.demo import DEMO_TENANTS
from callward_embedded.errors import StartFailed
from callward_embedded.event_log import PostgresEventLog
from callward_embedded.file_objects import FileObjectStore
from callward_embedded.files import private_folder
from callward_embedded.issuer import TokenService, issuer_app
from callward_embedded.key_ring import LocalTransit
from callward_embedded.lock import FolderLock
from callward_embedded.passwords import PasswordFile
from callward_embedded.places import database_account, open_folder
from callward_embedded.ports import hold_ports
from callward_embedded.postgres import EmbeddedPostgres
from callward_embedded.provision import provision
from callward_embedded.services import COMPONENTS, Adapters, build_services

#: The service that the embedded platform adds: the issuer, and the watch over PostgreSQL.
EMBEDDED = "embedded"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """A folder of the data, and what it holds in words for people."""

    path: Path
    holds: str


class Platform:
    """The embedded platform, as an async context: everything serves inside the block and has stopped after it."""

    def __init__(self, config: EmbeddedConfig, *, clock: Clock | None = None) -> None:
        """Nothing is started or written yet."""
        self.config, self.clock = config, clock or SystemClock()
        #: The authority of this run. Tests take certificates from it.
        self.authority = CertificateAuthority(self.clock)
        self.postgres = EmbeddedPostgres(
            config.data_dir / "postgres", environment=config.environment, durable=config.durable
        )
        #: The gRPC addresses by component, once bound.
        self.grpc_addresses: dict[str, str] = {}
        #: The doors ("http://127.0.0.1:…") by component, once bound, and the base of the issuers.
        self.doors: dict[str, str] = {}
        self.management: dict[str, str] = {}
        self.issuers_url = ""
        self.databases: dict[str, Database] = {}
        self._stack = AsyncExitStack()
        self._tokens: TokenService | None = None
        self._host: Host | None = None

    @property
    def folders(self) -> Sequence[KeptFolder]:
        """What is kept where."""
        root = self.config.data_dir
        return (
            KeptFolder(root / "postgres", "PostgreSQL: a database for each service and one for the events"),
            KeptFolder(root / "objects", "sealed recordings: ciphertext only"),
            KeptFolder(root / "wraps", "wrapped keys of recordings"),
            KeptFolder(
                root / "keys", "the key ring that opens them: whoever reads it can open every recording"
            ),
            KeptFolder(root / "issuer", "demo accounts and the signing keys of their tokens"),
        )

    @property
    def people(self) -> Mapping[tuple[str, str], Credentials]:
        """The demo people by tenant and name."""
        return self._started_tokens().accounts.people

    @property
    def machines(self) -> Mapping[tuple[str, str], Credentials]:
        """The demo machine clients by tenant and id."""
        return self._started_tokens().accounts.machines

    def channels(self, component: str) -> MtlsChannels:
        """Returns new channels with a certificate of `component`; whoever asks closes them."""
        return MtlsChannels(self.authority.issue(component), self.grpc_addresses, caller=component)

    async def serve_until_stopped(self) -> None:
        """Waits for SIGTERM or SIGINT, or raises HostFailed when a part has crashed; drained on return."""
        assert self._host is not None
        await self._host.serve_until_stopped()

    async def __aenter__(self) -> Self:
        """Starts everything; the demo tenants are known everywhere on return. Raises an EmbeddedError."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops everything, in order."""
        await self._stack.aclose()

    async def _start(self) -> None:
        root = open_folder(self.config.data_dir, database_account())
        lock = FolderLock(root)
        lock.acquire()
        self._stack.callback(lock.release)
        ports = hold_ports(self.config, root / "ports.json")
        for held in ports.values():
            self._stack.callback(held.close)
        self._stack.push_async_callback(self.postgres.stop)
        await self.postgres.start()
        bus = await self._event_log()
        await self._open_databases()
        self.issuers_url = f"http://{address_of(ports['issuer'])}/issuers"
        self._tokens = TokenService(
            self.issuers_url,
            root / "issuer",
            [tenant.tenant_id for tenant in DEMO_TENANTS],
            self.clock,
            lifetime=self.config.token_lifetime,
        )
        services = build_services(await self._adapters(root, bus))
        await self._serve(services, ports)
        operator = self.channels(OPERATOR)
        self._stack.push_async_callback(operator.close)
        await provision(DEMO_TENANTS, self.issuers_url, operator, self.databases, self.clock)

    async def _event_log(self) -> PostgresEventLog:
        bus = await PostgresEventLog.open(await self.postgres.database("events"), self.clock)
        self._stack.push_async_callback(bus.close)
        return bus

    async def _open_databases(self) -> None:
        for component in COMPONENTS:
            urls = await self.postgres.database(component.database)
            await upgrade(urls.owner_url, component.package, run_role=urls.run_role)
            database = Database.connect(urls.run_url, producer=component.name, clock=self.clock)
            self._stack.push_async_callback(database.close)
            self.databases[component.name] = database

    async def _adapters(self, root: Path, bus: PostgresEventLog) -> Adapters:
        # Proxies of the environment are for the world outside; the issuer is on loopback.
        client = await self._stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=5.0))
        transit = LocalTransit(private_folder(root / "keys"), self.clock)
        self._stack.push_async_callback(transit.close)
        channels = {component.name: self.channels(component.name) for component in COMPONENTS}
        for each in channels.values():
            self._stack.push_async_callback(each.close)
        cookies = PasswordFile(root / "cookies.json")
        return Adapters(
            databases=self.databases,
            channels=channels,
            bus=bus,
            clock=self.clock,
            objects=await self._store(root / "objects"),
            wraps=await self._store(root / "wraps"),
            transit=transit,
            jwks=HttpJwksSource(client, self.clock),
            cookie_key=cookies.get("listening", make=lambda: token_hex(32)),
        )

    async def _store(self, folder: Path) -> FileObjectStore:
        store = FileObjectStore(folder, self.clock)
        self._stack.push_async_callback(store.close)
        await store.start()
        return store

    async def _serve(self, services: Mapping[str, Service], ports: Mapping[str, socket.socket]) -> None:
        host = _bracketed(self.config.host)
        watch = _Watch(self.postgres)
        own = Service(name=EMBEDDED, http=issuer_app(self._started_tokens()), background=[watch])
        hosted = [
            Hosted(
                service,
                self.authority.issue(service.name),
                grpc_address=f"{host}:0",
                http_address=None if service.http is None else ports.get(service.name, ports["issuer"]),
                management_address=f"{host}:0",
            )
            for service in (own, *services.values())
        ]
        self._host = Host(
            hosted,
            drain_delay=self.config.drain_delay,
            grace=self.config.grace,
            clock=self.clock,
            on_bound=self._bound,
        )
        self._stack.push_async_callback(self._host.stop)
        await self._host.start()

    def _bound(self, addresses: Mapping[str, Addresses]) -> None:
        for name, bound in addresses.items():
            self.grpc_addresses[name] = bound.grpc
            if bound.management is not None:
                self.management[name] = f"http://{bound.management}"
            if bound.http is not None and name != EMBEDDED:
                self.doors[name] = f"http://{bound.http}"

    def _started_tokens(self) -> TokenService:
        if self._tokens is None:
            raise StartFailed("The platform has not been started.")
        return self._tokens


class _Watch:
    """Ends the process when PostgreSQL ends: nothing here works without it, and the next start recovers."""

    name = "postgres-watch"

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._postgres.pid is None:
                raise StartFailed("PostgreSQL has ended.")
            await wait_for_any(stop, within=0.2)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
