"""Looking at deliveries, and having them sent again."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.app.webhook_answers import delivery_json
from callward_ingest.app.webhooks import demand_webhook
from callward_ingest.domain.webhook_errors import DeliveryNotFound, WebhookDisabled
from callward_ingest.domain.webhook_notices import ping_body
from callward_ingest.domain.webhooks import PING, Delivery, DeliveryState, Webhook
from callward_ingest.ports import Unit, Units

#: The most dead letters that one request replays.
REPLAYED_AT_ONCE = 1000
#: What a request does in its transaction; it fills in the answer.
_Act = Callable[[Unit, dict[str, JsonValue]], Awaitable[None]]


class WebhookDeliveries:
    """The use cases around deliveries. `wake` tells the sender that something is due."""

    def __init__(self, *, units: Units, once: Once, clock: Clock, wake: Callable[[], None]) -> None:
        self._units = units
        self._once = once
        self._clock = clock
        self._wake = wake

    async def page(
        self, tenant: str, webhook_id: str, state: DeliveryState | None, before: str | None, limit: int
    ) -> tuple[Sequence[Delivery], bool]:
        """Returns up to `limit` deliveries of a webhook, newest first, and whether there are more."""
        async with self._units.begin(tenant) as unit:
            await demand_webhook(unit, webhook_id)
            found = await unit.deliveries.page(webhook_id, state, before, limit + 1)
        return found[:limit], len(found) > limit

    async def test(self, request: Request, webhook_id: str) -> Answer:
        """Has a ping sent, like any other event: signed, tried again, listed."""
        now = self._clock.now()
        ping = Delivery(
            delivery_id=new_id(),
            webhook_id=webhook_id,
            event_id=new_id(),
            type=PING,
            body=ping_body(webhook_id, now),
            created_at=now,
            next_attempt_at=now,
        )

        async def commit(unit: Unit, body: dict[str, JsonValue]) -> None:
            await _demand_active(unit, webhook_id)
            await unit.deliveries.add([ping])
            body.update(delivery_json(ping))

        return await self._run(request, commit)

    async def replay(self, request: Request, webhook_id: str, delivery_id: str) -> Answer:
        """Has a delivery sent again now, whatever its state, under the same webhook-id. Raises DeliveryNotFound."""

        async def commit(unit: Unit, body: dict[str, JsonValue]) -> None:
            await _demand_active(unit, webhook_id)
            found = await unit.deliveries.replay(webhook_id, delivery_id, self._clock.now())
            if found is None:
                raise DeliveryNotFound("There is no such delivery.")
            body.update(delivery_json(found))

        return await self._run(request, commit)

    async def replay_dead(self, request: Request, webhook_id: str, since: datetime) -> Answer:
        """Has the dead letters since a moment sent again, the oldest first, up to a limit; `more` when there are others."""

        async def commit(unit: Unit, body: dict[str, JsonValue]) -> None:
            await _demand_active(unit, webhook_id)
            count = await unit.deliveries.replay_dead(webhook_id, since, self._clock.now(), REPLAYED_AT_ONCE)
            body.update({"replayed": count, "more": count == REPLAYED_AT_ONCE})

        return await self._run(request, commit)

    async def _run(self, request: Request, act: _Act) -> Answer:
        async def prepare() -> Prepared:
            body: dict[str, JsonValue] = {}

            async def commit(unit: Unit) -> None:
                await act(unit, body)

            return Prepared(body, commit)

        answer = await self._once.run(request, prepare)
        self._wake()
        return answer


async def _demand_active(unit: Unit, webhook_id: str) -> Webhook:
    webhook = await demand_webhook(unit, webhook_id)
    if not webhook.active:
        raise WebhookDisabled("The webhook is not active: make it active first.")
    return webhook
