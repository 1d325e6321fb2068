"""Registering webhooks, changing them, and the secrets they are signed with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.app.webhook_answers import webhook_json
from callward_ingest.app.webhook_ports import Receivers, WebhookSecrets
from callward_ingest.domain.events import WebhookChanged, WebhookRegistered, WebhookRemoved
from callward_ingest.domain.webhook_errors import TooManyWebhooks, WebhookNotFound
from callward_ingest.domain.webhook_signing import shown_secret
from callward_ingest.domain.webhook_urls import host_of
from callward_ingest.domain.webhooks import OLD_SECRET_HOURS, Webhook, WebhookEvent
from callward_ingest.ports import Unit, Units


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A receiver to be registered."""

    url: str
    events: tuple[WebhookEvent, ...]
    description: str


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What is to be changed; None leaves it as it is."""

    url: str | None = None
    events: tuple[WebhookEvent, ...] | None = None
    description: str | None = None
    active: bool | None = None


class Webhooks:
    """The use cases around a webhook. Every change of its configuration is put on record with it."""

    def __init__(
        self,
        *,
        units: Units,
        once: Once,
        secrets: WebhookSecrets,
        receivers: Receivers,
        clock: Clock,
        max_webhooks: int,
    ) -> None:
        """`max_webhooks`: of one tenant."""
        self._units = units
        self._once = once
        self._secrets = secrets
        self._receivers = receivers
        self._clock = clock
        self._max_webhooks = max_webhooks

    async def register(self, request: Request, new: NewWebhook) -> Answer:
        """Registers a receiver; its secret is in this answer only. Raises WebhookUrlRefused, TooManyWebhooks."""

        async def prepare() -> Prepared:
            await self._receivers.check(new.url)
            webhook = Webhook(
                new_id(), new.url, new.events, new.description, active=True, created_at=self._clock.now()
            )
            # A secret that cannot be had is found out before there is a webhook without one.
            await self._secrets.secret(request.tenant, webhook.webhook_id, webhook.secret_version)

            async def commit(unit: Unit) -> None:
                if not await unit.webhooks.add(webhook, self._max_webhooks):
                    raise TooManyWebhooks(f"There are {self._max_webhooks} webhooks already.")
                unit.record(
                    WebhookRegistered(
                        request.actor,
                        webhook.webhook_id,
                        host_of(webhook.url),
                        tuple(webhook.events),
                        webhook.secret_version,
                    )
                )

            return Prepared(webhook_json(webhook), commit)

        return await self._with_secret(request.tenant, await self._once.run(request, prepare))

    async def find(self, tenant: str, webhook_id: str) -> Webhook:
        """Returns a webhook, or raises WebhookNotFound."""
        async with self._units.begin(tenant) as unit:
            return await demand_webhook(unit, webhook_id)

    async def page(self, tenant: str, before: str | None, limit: int) -> tuple[Sequence[Webhook], bool]:
        """Returns up to `limit` webhooks, newest first, and whether there are more."""
        async with self._units.begin(tenant) as unit:
            found = await unit.webhooks.page(before, limit + 1)
        return found[:limit], len(found) > limit

    async def change(self, request: Request, webhook_id: str, changes: WebhookChanges) -> Answer:
        """Changes a webhook. Making it active again forgets why it was disabled, and its failures."""

        async def prepare() -> Prepared:
            if changes.url is not None:
                await self._receivers.check(changes.url)
            return self._changing(request, webhook_id, lambda webhook: _changed(webhook, changes))

        return await self._once.run(request, prepare)

    async def rotate_secret(self, request: Request, webhook_id: str) -> Answer:
        """Gives a new secret, in this answer only. The one before counts for 24 hours more, an older one no longer."""
        until = self._clock.now() + timedelta(hours=OLD_SECRET_HOURS)

        async def prepare() -> Prepared:
            present = await self.find(request.tenant, webhook_id)
            await self._secrets.secret(request.tenant, webhook_id, present.secret_version + 1)
            return self._changing(request, webhook_id, rotated)

        def rotated(webhook: Webhook) -> Webhook:
            return replace(webhook, secret_version=webhook.secret_version + 1, previous_until=until)

        return await self._with_secret(request.tenant, await self._once.run(request, prepare))

    async def remove(self, request: Request, webhook_id: str) -> Answer:
        """Removes a webhook: nothing is sent any more, not even what was due."""

        async def prepare() -> Prepared:
            async def commit(unit: Unit) -> None:
                await demand_webhook(unit, webhook_id, lock=True)
                await unit.webhooks.remove(webhook_id, self._clock.now())
                unit.record(WebhookRemoved(request.actor, webhook_id))

            return Prepared({}, commit)

        return await self._once.run(request, prepare)

    def _changing(self, request: Request, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Prepared:
        body: dict[str, JsonValue] = {}

        async def commit(unit: Unit) -> None:
            before = await demand_webhook(unit, webhook_id, lock=True)
            after = change(before)
            body.update(webhook_json(after))
            if after == before:
                return
            await unit.webhooks.save(after)
            unit.record(_change_event(request, before, after))

        return Prepared(body, commit)

    async def _with_secret(self, tenant: str, answer: Answer) -> Answer:
        """Adds the secret to an answer that was stored without it: the same one to a retry of the same request."""
        webhook_id, version = str(answer.body["webhookId"]), answer.body["secretVersion"]
        assert isinstance(version, int)
        secret = await self._secrets.secret(tenant, webhook_id, version)
        return replace(answer, body={**answer.body, "secret": shown_secret(secret)})


async def demand_webhook(unit: Unit, webhook_id: str, *, lock: bool = False) -> Webhook:
    """Returns a webhook of the unit's tenant, or raises WebhookNotFound."""
    webhook = await unit.webhooks.find(webhook_id, lock=lock)
    if webhook is None:
        raise WebhookNotFound("There is no such webhook.")
    return webhook


def _changed(webhook: Webhook, changes: WebhookChanges) -> Webhook:
    again = bool(changes.active) and not webhook.active
    return replace(
        webhook,
        url=webhook.url if changes.url is None else changes.url,
        events=webhook.events if changes.events is None else changes.events,
        description=webhook.description if changes.description is None else changes.description,
        active=webhook.active if changes.active is None else changes.active,
        failing_since=None if again else webhook.failing_since,
        disabled_reason=None if again else webhook.disabled_reason,
        disabled_at=None if again else webhook.disabled_at,
    )


def _change_event(request: Request, before: Webhook, after: Webhook) -> WebhookChanged:
    names = {
        "url": before.url != after.url,
        "events": before.events != after.events,
        "description": before.description != after.description,
        "active": before.active != after.active,
        "secret": before.secret_version != after.secret_version,
    }
    return WebhookChanged(
        actor=request.actor,
        webhook_id=after.webhook_id,
        changes=tuple(name for name, changed in names.items() if changed),
        host=host_of(after.url),
        events=tuple(after.events),
        active=after.active,
        secret_version=after.secret_version,
    )
