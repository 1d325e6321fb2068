"""/v1/webhooks: receivers outside, their secrets, and what was delivered to them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from callward_common.http.cursors import decode_cursor, encode_cursor
from callward_common.http.model import StrictModel
from callward_common.ids import parse_id
from callward_ingest.app.once import Request as Asked
from callward_ingest.app.webhook_answers import delivery_json, webhook_json
from callward_ingest.app.webhook_deliveries import WebhookDeliveries
from callward_ingest.app.webhooks import Webhooks
from callward_ingest.domain.webhooks import Delivery, DeliveryState, Webhook
from callward_ingest.http import webhook_schemas as schemas
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, REPLAYED, respond, small_request

SCOPE = "webhooks:manage"
_RETRY = {"parameters": [IDEMPOTENCY_PARAMETER]}
_CURSOR = {"before": str}
PageSize = Annotated[int, Query(alias="pageSize", ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=512)]


class _Nothing(StrictModel):
    """The body of a request without one."""


def webhooks_router(guard: Guard, webhooks: Webhooks, deliveries: WebhookDeliveries) -> APIRouter:
    """Gives the routes of webhooks; every one needs the scope `webhooks:manage`."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=guarded_route(guard, SCOPE))
    _add_collection(router, webhooks)
    _add_one(router, webhooks)
    _add_deliveries(router, deliveries)
    return router


def _add_collection(router: APIRouter, webhooks: Webhooks) -> None:
    @router.post("", status_code=201, response_model=schemas.WebhookWithSecret, openapi_extra=_RETRY)
    async def register_webhook(request: Request, body: schemas.RegisterWebhookBody) -> JSONResponse:
        """Registers a receiver. Its signing secret is in this answer and in no other: keep it."""
        answer = await webhooks.register(small_request(request, "webhooks.register", body), body.to_app())
        return respond(answer, 201, location=f"/v1/webhooks/{answer.body['webhookId']}")

    @router.get("", response_model=schemas.WebhookPage)
    async def list_webhooks(request: Request, page_size: PageSize = 50, cursor: Cursor = "") -> JSONResponse:
        """Lists the tenant's webhooks, newest first."""
        found, more = await webhooks.page(principal_of(request).tenant_id, _before(cursor), page_size)
        shown = [webhook_json(each) for each in found]
        return JSONResponse({"webhooks": shown, "nextCursor": _next(found, more)})


def _add_one(router: APIRouter, webhooks: Webhooks) -> None:
    @router.get("/{webhook_id}", response_model=schemas.WebhookAnswer)
    async def get_webhook(request: Request, webhook_id: str) -> JSONResponse:
        """Shows a webhook: whether it is active, and since when its receiver has been failing."""
        found = await webhooks.find(principal_of(request).tenant_id, parse_id(webhook_id))
        return JSONResponse(webhook_json(found))

    @router.patch("/{webhook_id}", response_model=schemas.WebhookAnswer, openapi_extra=_RETRY)
    async def change_webhook(
        request: Request, webhook_id: str, body: schemas.ChangeWebhookBody
    ) -> JSONResponse:
        """Changes a webhook. Made inactive, it gets nothing: what was due becomes a dead letter."""
        webhook_id = parse_id(webhook_id)
        asked = small_request(request, "webhooks.change", body, call_id=webhook_id)
        return respond(await webhooks.change(asked, webhook_id, body.to_app()), 200)

    @router.delete("/{webhook_id}", status_code=204, openapi_extra=_RETRY)
    async def remove_webhook(request: Request, webhook_id: str) -> Response:
        """Removes a webhook: nothing is sent to its receiver any more."""
        webhook_id = parse_id(webhook_id)
        answer = await webhooks.remove(_asked(request, "webhooks.remove", webhook_id), webhook_id)
        return Response(status_code=204, headers={REPLAYED: "true"} if answer.replayed else None)

    @router.post(
        "/{webhook_id}/rotate-secret", response_model=schemas.WebhookWithSecret, openapi_extra=_RETRY
    )
    async def rotate_webhook_secret(request: Request, webhook_id: str) -> JSONResponse:
        """Gives a new secret, shown once. For 24 hours every delivery has two signatures: by it and by the last."""
        webhook_id = parse_id(webhook_id)
        asked = _asked(request, "webhooks.rotate-secret", webhook_id)
        return respond(await webhooks.rotate_secret(asked, webhook_id), 200)


def _add_deliveries(router: APIRouter, deliveries: WebhookDeliveries) -> None:
    @router.post(
        "/{webhook_id}/test", status_code=202, response_model=schemas.DeliveryAnswer, openapi_extra=_RETRY
    )
    async def test_webhook(request: Request, webhook_id: str) -> JSONResponse:
        """Has a `webhook.ping` sent, as every other event is."""
        webhook_id = parse_id(webhook_id)
        return respond(await deliveries.test(_asked(request, "webhooks.test", webhook_id), webhook_id), 202)

    @router.get("/{webhook_id}/deliveries", response_model=schemas.DeliveryPage)
    async def list_webhook_deliveries(
        request: Request,
        webhook_id: str,
        state: DeliveryState | None = None,
        page_size: PageSize = 50,
        cursor: Cursor = "",
    ) -> JSONResponse:
        """Lists what was, is being and could not be delivered, newest first."""
        tenant = principal_of(request).tenant_id
        found, more = await deliveries.page(tenant, parse_id(webhook_id), state, _before(cursor), page_size)
        shown = [delivery_json(each) for each in found]
        return JSONResponse({"deliveries": shown, "nextCursor": _next(found, more)})

    @router.post(
        "/{webhook_id}/deliveries/{delivery_id}/replay",
        status_code=202,
        response_model=schemas.DeliveryAnswer,
        openapi_extra=_RETRY,
    )
    async def replay_webhook_delivery(request: Request, webhook_id: str, delivery_id: str) -> JSONResponse:
        """Has one delivery sent again now, whatever its state, under the same `webhook-id`."""
        webhook_id, delivery_id = parse_id(webhook_id), parse_id(delivery_id)
        asked = _asked(request, "webhooks.replay-one", f"{webhook_id}/{delivery_id}")
        return respond(await deliveries.replay(asked, webhook_id, delivery_id), 202)

    @router.post(
        "/{webhook_id}/replay", status_code=202, response_model=schemas.Replayed, openapi_extra=_RETRY
    )
    async def replay_webhook(request: Request, webhook_id: str, body: schemas.ReplayBody) -> JSONResponse:
        """Has the dead letters since a moment sent again, oldest first, at most 1,000 at a time."""
        webhook_id = parse_id(webhook_id)
        asked = small_request(request, "webhooks.replay", body, call_id=webhook_id)
        return respond(await deliveries.replay_dead(asked, webhook_id, body.since), 202)


def _asked(request: Request, operation: str, about: str) -> Asked:
    return small_request(request, operation, _Nothing(), call_id=about)


def _before(cursor: str) -> str | None:
    return parse_id(str(decode_cursor(cursor, _CURSOR)["before"])) if cursor else None


def _next(found: Sequence[Webhook] | Sequence[Delivery], more: bool) -> str | None:
    if not more:
        return None
    last = found[-1]
    return encode_cursor({"before": last.webhook_id if isinstance(last, Webhook) else last.delivery_id})
