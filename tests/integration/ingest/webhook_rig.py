"""Webhooks on a real database with real receivers; only key-management is a hash."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from ipaddress import ip_address

import asyncpg

from callward_common.clock import SystemClock
from callward_common.db import Database
from callward_common.errors import CallwardError
from callward_common.identity import Actor, ActorKind
from callward_common.ids import new_id
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Once, Request
from callward_ingest.app.webhook_deliveries import WebhookDeliveries
from callward_ingest.app.webhook_sending import SendingLimits, WebhookSender
from callward_ingest.app.webhooks import NewWebhook, Webhooks
from callward_ingest.domain.calls import IdentifierKind
from callward_ingest.domain.events import UploadAbandoned
from callward_ingest.domain.webhook_addresses import Address, AddressRules
from callward_ingest.domain.webhook_schedule import Schedule
from callward_ingest.domain.webhook_urls import UrlRules
from callward_ingest.domain.webhooks import Delivery, Webhook, WebhookEvent
from callward_ingest.store import DatabaseUnits
from callward_ingest.store.webhook_work import DatabaseWork
from callward_ingest.webhooks.receivers import AttemptLimits, HttpReceivers
from callward_ingest.webhooks.resolver import SystemResolver
from tests.support.postgres import PostgresServer, service_database

MACHINE = Actor(ActorKind.machine, "pbx-1", "https://machines.example")
TENANT, OTHER = "mercy-hospital", "other-clinic"
ALL = tuple(WebhookEvent)
QUICK = AttemptLimits(total_seconds=1.0, connect_seconds=0.5, answer_seconds=0.3)


class MovableClock(SystemClock):
    """The machine's clock, moved on as tests ask."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self._ahead

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead.total_seconds()

    def advance(self, by: timedelta) -> None:
        self._ahead += by


class Secrets:
    """Secrets by hash; `failing` is raised instead."""

    def __init__(self) -> None:
        self.failing: CallwardError | None = None

    async def secret(self, tenant: str, webhook_id: str, version: int) -> bytes:
        if self.failing is not None:
            raise self.failing
        return hashlib.sha256(f"{tenant}/{webhook_id}/{version}".encode()).digest()


class FingerprintKeys:
    """Keys by hash."""

    async def pseudonymise(
        self, tenant: str, quarter: str, kind: IdentifierKind, values: Sequence[str]
    ) -> Sequence[bytes]:
        raise AssertionError("webhooks have no pseudonyms")

    async def fingerprint_key(self, tenant: str, day: date) -> bytes:
        return hashlib.sha256(f"{tenant}/{day}".encode()).digest()


class Names:
    """A resolver: names stand for what a test says, one answer after the other, the last one stays."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        found = self.answers.get(host)
        if not found:
            raise OSError("no such name")
        text = found[0] if len(found) == 1 else found.pop(0)
        return [ip_address(each) for each in text.split(",")]


@dataclass
class Rig:
    """Everything a test looks at."""

    clock: MovableClock
    db: Database
    owner_url: str
    units: DatabaseUnits
    work: DatabaseWork
    secrets: Secrets
    receivers: HttpReceivers
    webhooks: Webhooks
    deliveries: WebhookDeliveries

    def sender(
        self,
        *,
        waits: Sequence[float] = (5, 300),
        disable_after: timedelta = timedelta(days=5),
        receivers: HttpReceivers | None = None,
        **limits: object,
    ) -> WebhookSender:
        """A sender that looks often and adds no jitter."""
        stated = replace(SendingLimits(poll_seconds=0.05, drain_seconds=1.0), **limits)  # type: ignore[arg-type]
        return WebhookSender(
            units=self.units,
            work=self.work,
            secrets=self.secrets,
            receivers=receivers or self.receivers,
            clock=self.clock,
            schedule=Schedule(tuple(timedelta(seconds=each) for each in waits), disable_after),
            limits=stated,
            due=self.units.webhooks_due,
            jitter=lambda: 0.0,
        )

    def request(self, operation: str = "test", tenant: str = TENANT) -> Request:
        return Request(tenant, MACHINE, operation, "")

    async def register(
        self, url: str, tenant: str = TENANT, events: tuple[WebhookEvent, ...] = ALL
    ) -> tuple[str, str]:
        """Registers a receiver; returns its id and secret."""
        answer = await self.webhooks.register(self.request("register", tenant), NewWebhook(url, events, ""))
        return str(answer.body["webhookId"]), str(answer.body["secret"])

    async def happens(self, count: int = 1, tenant: str = TENANT) -> list[str]:
        """Puts events on record, as uploads do; returns their ids."""
        ids = [new_id() for _ in range(count)]
        for event_id in ids:
            async with self.units.begin(tenant) as unit:
                unit.record(
                    UploadAbandoned(MACHINE, new_id(), new_id(), "body-incomplete"), event_id=event_id
                )
        return ids

    async def listed(self, webhook_id: str, tenant: str = TENANT) -> list[Delivery]:
        """The deliveries of a webhook, oldest first."""
        async with self.units.begin(tenant) as unit:
            return list(reversed(await unit.deliveries.page(webhook_id, None, None, 1000)))

    async def webhook(self, webhook_id: str, tenant: str = TENANT) -> Webhook:
        return await self.webhooks.find(tenant, webhook_id)

    async def settled(self, webhook_id: str, *states: str, attempts: int | None = None) -> list[Delivery]:
        """Waits until the deliveries of a webhook are in these states, in order, and the last was tried so often."""
        async with asyncio.timeout(20):
            while True:
                found = await self.listed(webhook_id)
                if [each.state.value for each in found] == list(states) and (
                    attempts is None or found[-1].attempts == attempts
                ):
                    return found
                await asyncio.sleep(0.02)  # between two looks at the condition

    async def rows(self, query: str, tenant: str = TENANT) -> list[asyncpg.Record]:
        """Asks as the owner of the tables, for one tenant."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute("SELECT set_config('callward.tenant', $1, false)", tenant)
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def until_rows(self, query: str, count: int) -> None:
        """Waits until a query has so many rows."""
        async with asyncio.timeout(20):
            while len(await self.rows(query)) != count:  # noqa: ASYNC110 - rows of others are looked at
                await asyncio.sleep(0.02)  # between two looks at the condition

    async def recorded(self) -> list[str]:
        """The types of the events on record, in order."""
        rows = await self.rows("SELECT type FROM outbox ORDER BY id")
        return [str(row["type"]).rpartition(".")[2] for row in rows]


@asynccontextmanager
async def rig(postgres: PostgresServer) -> AsyncIterator[Rig]:
    """Webhooks, wired."""
    clock = MovableClock()
    async with service_database(postgres, "callward_ingest", "ingest", clock=clock) as made:
        units = DatabaseUnits(made.database, keep_answers=timedelta(days=7))
        once = Once(units, Fingerprints(FingerprintKeys(), clock), clock, Limits())
        secrets = Secrets()
        receivers = HttpReceivers(
            rules=UrlRules(addresses=AddressRules(loopback=True)),
            resolve=SystemResolver(),
            clock=clock,
            limits=QUICK,
        )
        yield Rig(
            clock=clock,
            db=made.database,
            owner_url=made.urls.owner_url,
            units=units,
            work=DatabaseWork(made.database),
            secrets=secrets,
            receivers=receivers,
            webhooks=Webhooks(
                units=units, once=once, secrets=secrets, receivers=receivers, clock=clock, max_webhooks=50
            ),
            deliveries=WebhookDeliveries(units=units, once=once, clock=clock, wake=units.webhooks_due.set),
        )


@asynccontextmanager
async def sending(*senders: WebhookSender) -> AsyncIterator[None]:
    """Senders that run while the block lasts, and then stop as a host stops them."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop)) for each in senders]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def killed(sender: WebhookSender) -> AsyncIterator[asyncio.Task[None]]:
    """A sender whose process dies at the end of the block: nothing is drained, given back or written."""
    task = asyncio.create_task(sender.run(asyncio.Event()))
    try:
        yield task
    finally:
        sending_now = list(sender._sending)
        sender._drain = _nothing  # type: ignore[method-assign]
        for each in (task, *sending_now):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each


async def _nothing() -> None:
    """A process that was killed does nothing any more."""
