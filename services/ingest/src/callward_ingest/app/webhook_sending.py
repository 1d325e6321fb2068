"""The sender: at least once, each time under the same webhook-id, and no receiver holds up another.

A delivery is taken under a lease and sent without any transaction open. What came of it is written where the lease
still holds; a process that dies in between leaves a lease that runs out, and the delivery is sent again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom

from callward_common.clock import Clock
from callward_common.db.waiting import Backoff, wait_for_any
from callward_common.errors import CallwardError
from callward_common.identity import Actor, ActorKind
from callward_common.ids import new_id
from callward_ingest.app.webhook_ports import Receivers, Waiting, WebhookSecrets, WorkList
from callward_ingest.domain.events import WebhookDisabled
from callward_ingest.domain.webhook_schedule import Schedule, after_attempt, disabling, without_attempt
from callward_ingest.domain.webhook_signing import signed_headers
from callward_ingest.domain.webhooks import AttemptError, Delivery, DeliveryState, Outcome, Webhook
from callward_ingest.ports import Unit, Units

_log = logging.getLogger(__name__)
_INGEST = Actor(ActorKind.service, "ingest")
#: Statements at once: uploads share the pool of connections.
_DATABASE_AT_ONCE = 2
_CLEARED_AT_ONCE = 500
_CLEAR_EVERY_SECONDS = 60.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """How much at once, of all, of a tenant and of a webhook; how long a lease, a stop and a cleared row may take.

    A webhook whose last attempt failed is tried one delivery at a time, so that many that hang leave room.
    """

    parallel: int = 32
    parallel_tenant: int = 16
    parallel_webhook: int = 4
    lease: timedelta = timedelta(seconds=60)
    postponed: timedelta = timedelta(seconds=30)
    keep: timedelta = timedelta(days=30)
    drain_seconds: float = 3.0
    poll_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Taken:
    waiting: Waiting
    delivery_id: str
    lease: str


class LeaseLost(Exception):
    """Another process has the delivery: what came of this attempt is not written."""


class WebhookSender:
    """Sends what is due, until it is told to stop. `due` is set when something may have become due."""

    name = "webhook-sender"

    def __init__(
        self,
        *,
        units: Units,
        work: WorkList,
        secrets: WebhookSecrets,
        receivers: Receivers,
        clock: Clock,
        schedule: Schedule,
        limits: SendingLimits,
        due: asyncio.Event,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        self._units, self._work, self._secrets, self._receivers = units, work, secrets, receivers
        self._clock, self._schedule, self._limits = clock, schedule, limits
        self._jitter = jitter or SystemRandom().random
        self._due = due
        self._database = asyncio.Semaphore(_DATABASE_AT_ONCE)
        self._sending: dict[asyncio.Task[None], _Taken] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._ailing: set[str] = set()
        self._cleared_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until `stop` is set. What is then under way has a moment to end, and is given back otherwise."""
        backoff = Backoff()
        try:
            while not stop.is_set():
                self._due.clear()
                try:
                    await self._start_due()
                    await self._clear()
                except Exception:
                    # The database is away or refuses: nothing is lost by waiting.
                    _log.warning("webhook work list not read", exc_info=True)
                    await wait_for_any(stop, within=backoff.failed())
                else:
                    backoff.succeeded()
                    await wait_for_any(stop, self._due, within=self._limits.poll_seconds)
        finally:
            await self._drain()

    async def _start_due(self) -> None:
        if len(self._sending) >= self._limits.parallel:
            return
        waiting = await self._work.waiting(self._clock.now())
        self._turns = {
            each.webhook_id: self._turns[each.webhook_id]
            for each in waiting
            if each.webhook_id in self._turns
        }
        for each in sorted(waiting, key=lambda found: self._turns.get(found.webhook_id, 0)):
            room = self._room(each)
            if room > 0:
                await self._take(each, room)

    def _room(self, waiting: Waiting) -> int:
        of_webhook = Counter(taken.waiting.webhook_id for taken in self._sending.values())
        of_tenant = Counter(taken.waiting.tenant for taken in self._sending.values())
        most = 1 if waiting.webhook_id in self._ailing else self._limits.parallel_webhook
        return min(
            self._limits.parallel - len(self._sending),
            self._limits.parallel_tenant - of_tenant[waiting.tenant],
            most - of_webhook[waiting.webhook_id],
        )

    async def _take(self, waiting: Waiting, room: int) -> None:
        now, lease = self._clock.now(), new_id()
        self._turn += 1
        self._turns[waiting.webhook_id] = self._turn
        taken = await self._work.take(
            waiting.webhook_id, lease=lease, now=now, until=now + self._limits.lease, limit=room
        )
        for delivery_id in taken:
            one = _Taken(waiting, delivery_id, lease)
            task = asyncio.create_task(self._send(one), name=f"webhook {delivery_id}")
            self._sending[task] = one
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.pop(task, None)
        self._due.set()

    async def _send(self, taken: _Taken) -> None:
        try:
            async with self._database:
                found = await self._open(taken)
            if found is not None:
                await self._attempt(taken, *found)
        except LeaseLost:
            _log.info("a webhook delivery was taken over", extra={"tenant_id": taken.waiting.tenant})
        except Exception:
            # The lease runs out, and the delivery is sent again.
            _log.exception("a webhook delivery was not settled", extra={"tenant_id": taken.waiting.tenant})

    async def _open(self, taken: _Taken) -> tuple[Delivery, Webhook] | None:
        """Returns what is to be sent and where to; ends what nobody is to get."""
        async with self._units.begin(taken.waiting.tenant) as unit:
            delivery = await unit.deliveries.find(taken.delivery_id)
            webhook = await unit.webhooks.find(taken.waiting.webhook_id)
            if delivery is None or webhook is None:
                await unit.deliveries.drop(taken.delivery_id, taken.lease)
            elif not webhook.active:
                await self._settle(unit, taken, without_attempt(delivery))
            elif delivery.state is DeliveryState.pending:
                return delivery, webhook
            else:
                await self._settle(unit, taken, delivery)
        return None

    async def _attempt(self, taken: _Taken, delivery: Delivery, webhook: Webhook) -> None:
        now = self._clock.now()
        try:
            secrets = [
                await self._secrets.secret(taken.waiting.tenant, webhook.webhook_id, version)
                for version in webhook.secret_versions(now)
            ]
        except CallwardError as error:
            # Not the receiver's failure: no attempt is counted.
            _log.warning("webhook secret not to be had", extra={"problem_type": error.type})
            await self._work.give_back(taken.delivery_id, taken.lease, now + self._limits.postponed)
            return
        headers = signed_headers(secrets, delivery.event_id, int(now.timestamp()), delivery.body)
        outcome = await self._post(webhook.url, headers, delivery.body)
        self._note(webhook.webhook_id, outcome)
        async with self._database:
            await self._write(taken, delivery, webhook, outcome)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        try:
            return await self._receivers.post(url, headers, body)
        except Exception:
            _log.exception("a webhook attempt failed unexpectedly")
            return Outcome(error=AttemptError.fault)

    def _note(self, webhook_id: str, outcome: Outcome) -> None:
        if outcome.taken:
            self._ailing.discard(webhook_id)
            return
        if len(self._ailing) >= _REMEMBERED:
            self._ailing.clear()
        self._ailing.add(webhook_id)

    async def _write(self, taken: _Taken, delivery: Delivery, webhook: Webhook, outcome: Outcome) -> None:
        now = self._clock.now()
        tried = after_attempt(delivery, outcome, now, self._schedule, self._jitter())
        async with self._units.begin(taken.waiting.tenant) as unit:
            await self._settle(unit, taken, tried)
            if outcome.taken:
                if webhook.failing_since is not None:
                    await unit.webhooks.mark_failing(webhook.webhook_id, None)
                return
            if webhook.failing_since is None:
                await unit.webhooks.mark_failing(webhook.webhook_id, now)
            reason = disabling(webhook, outcome, now, self._schedule)
            if reason is not None and await unit.webhooks.disable(webhook, reason.value, now):
                unit.record(WebhookDisabled(_INGEST, webhook.webhook_id, reason.value))

    async def _settle(self, unit: Unit, taken: _Taken, delivery: Delivery) -> None:
        until = self._clock.now() + self._limits.keep
        if not await unit.deliveries.settle(delivery, taken.lease, until):
            raise LeaseLost

    async def _clear(self) -> None:
        now = self._clock.monotonic()
        if now - self._cleared_at < _CLEAR_EVERY_SECONDS:
            return
        cleared = await self._work.clear(self._clock.now(), _CLEARED_AT_ONCE)
        if cleared < _CLEARED_AT_ONCE:
            self._cleared_at = now

    async def _drain(self) -> None:
        taken = dict(self._sending)
        if taken:
            _, late = await asyncio.wait(taken, timeout=self._limits.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await self._give_back([taken[task] for task in late])

    async def _give_back(self, unfinished: Sequence[_Taken]) -> None:
        try:
            for each in unfinished:
                await self._work.give_back(each.delivery_id, each.lease, self._clock.now())
        except Exception:
            # Their leases run out.
            _log.warning("webhook deliveries not given back", exc_info=True)
