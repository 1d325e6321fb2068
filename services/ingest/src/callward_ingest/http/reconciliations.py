"""/v1/reconciliations: these are the calls I placed; what of them is here?"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import AfterValidator, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.errors import InvalidRequest
from callward_common.http.cursors import decode_cursor, encode_cursor
from callward_common.http.model import ShortText, StrictModel, Timestamp, refusal
from callward_common.ids import parse_id
from callward_ingest.app.answers import actor_json, moment
from callward_ingest.app.reconciliation import NamedCall, Reconciliations, counts_json, too_large
from callward_ingest.domain.reconciliation import Finding, Item, ItemFilter, Placed, Range, Reconciliation
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.reconciliation_answers import ReconciliationAnswer, ReconciliationList
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, respond, small_request
from callward_ingest.http.schemas import Seconds

SCOPE = "calls:write"
PATH = "/v1/reconciliations"
LARGEST_PAGE, LARGEST_LIST = 1000, 200
#: More than any setting allows: a body past it is refused before it is looked at closely.
_MOST_CALLS = 50_000
_ITEMS_CURSOR = {"of": str, "finding": str, "after": int}
_LIST_CURSOR = {"before": str}


def _an_id(value: str) -> str:
    try:
        return parse_id(value)
    except InvalidRequest:
        raise refusal("The value is not an id.") from None


class PlacedBody(StrictModel):
    """A call that was placed, by Callward's id or by the placer's own reference, and what is expected of it."""

    call_id: Annotated[str, AfterValidator(_an_id)] | None = None
    external_reference: ShortText | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    recordings: int | None = Field(default=None, strict=True, ge=0, le=1000)
    duration_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.call_id is None) == (self.external_reference is None):
            raise refusal("A call is named by callId or by externalReference: by exactly one.")
        return self

    def to_domain(self) -> NamedCall:
        """Returns the call."""
        seconds = self.duration_seconds
        placed = Placed(
            call_id=self.call_id,
            started_at=self.started_at,
            ended_at=self.ended_at,
            recordings=self.recordings,
            duration=None if seconds is None else timedelta(seconds=seconds),
        )
        return NamedCall(placed, self.external_reference)


class ReconciliationBody(StrictModel):
    """The calls that were placed in a range of time: `from` is inside it, `to` is not."""

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    calls: list[PlacedBody] = Field(max_length=_MOST_CALLS)


def reconciliations_router(guard: Guard, reconciliations: Reconciliations, *, max_calls: int) -> APIRouter:
    """Gives the routes of reconciliation; each needs the scope `calls:write`."""
    router = APIRouter(prefix=PATH, tags=["reconciliations"], route_class=guarded_route(guard, SCOPE))
    retry = {"parameters": [IDEMPOTENCY_PARAMETER]}

    @router.post("", status_code=201, response_model=ReconciliationAnswer, openapi_extra=retry)
    async def make_reconciliation(request: Request, body: ReconciliationBody) -> JSONResponse:
        """Compares the calls that were placed with those on record. Answers with the first items; the rest by cursor.

        A named call is matched, missing, incomplete or duplicate; a call here that is not named is unexpected.
        """
        if len(body.calls) > max_calls:
            raise too_large("are named", max_calls)
        stated = small_request(request, "reconciliations.make", body)
        calls = [call.to_domain() for call in body.calls]
        answer = await reconciliations.make(stated, Range(body.from_, body.to), calls)
        wanted = ItemFilter(str(answer.body["reconciliationId"]), LARGEST_PAGE)
        # The references are in the request at hand, also when the answer is a stored one: nothing keeps them.
        shown = await _whole(reconciliations, stated.tenant, wanted, [call.reference for call in calls])
        response = respond(answer, 201, location=f"{PATH}/{wanted.reconciliation_id}")
        return JSONResponse(shown, response.status_code, _own_headers(response))

    _add_reading(router, reconciliations)
    return router


def _add_reading(router: APIRouter, reconciliations: Reconciliations) -> None:
    @router.get("", response_model=ReconciliationList)
    async def list_reconciliations(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=LARGEST_LIST)] = 50,
        cursor: str | None = None,
    ) -> JSONResponse:
        """Lists reconciliations, newest first, with their counts."""
        before = None if cursor is None else parse_id(str(decode_cursor(cursor, _LIST_CURSOR)["before"]))
        found, more = await reconciliations.page(principal_of(request).tenant_id, before, limit)
        following = encode_cursor({"before": found[-1].reconciliation_id}) if more else None
        shown = [_shown(each) for each in found]
        return JSONResponse({"reconciliations": shown, "nextCursor": following})

    @router.get("/{reconciliation_id}", response_model=ReconciliationAnswer)
    async def get_reconciliation(
        request: Request,
        reconciliation_id: str,
        finding: Finding | None = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE,
        cursor: str | None = None,
    ) -> JSONResponse:
        """Shows a reconciliation with a page of its items, of one finding where it is stated."""
        reconciliation_id = parse_id(reconciliation_id)
        after = -1 if cursor is None else _after(cursor, reconciliation_id, finding)
        wanted = ItemFilter(reconciliation_id, limit, after, finding)
        return JSONResponse(await _whole(reconciliations, principal_of(request).tenant_id, wanted, ()))


async def _whole(
    reconciliations: Reconciliations, tenant: str, wanted: ItemFilter, references: Any
) -> dict[str, Any]:
    made = await reconciliations.find(tenant, wanted.reconciliation_id)
    page = await reconciliations.items(tenant, wanted)
    following = None if page.next is None else encode_cursor({**_bound(wanted), "after": page.next})
    items = [_item(item, references) for item in page.items]
    return {**_shown(made), "items": items, "nextCursor": following}


def _shown(made: Reconciliation) -> dict[str, Any]:
    return {
        "reconciliationId": made.reconciliation_id,
        "from": moment(made.range.start),
        "to": moment(made.range.end),
        "madeAt": moment(made.made_at),
        "madeBy": actor_json(made.actor),
        "counts": counts_json(made.counts),
    }


def _item(item: Item, references: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"finding": item.finding.value, "details": [each.value for each in item.details]}
    named = references[item.position] if references and item.position is not None else None
    optional = {
        "position": item.position,
        "callId": item.call_id,
        "externalReference": named,
        "otherCallIds": list(item.others) or None,
        "duplicateOf": item.duplicate_of,
    }
    return {**shown, **{name: value for name, value in optional.items() if value is not None}}


def _own_headers(response: JSONResponse) -> Mapping[str, str]:
    return {name: value for name, value in response.headers.items() if not name.startswith("content-")}


def _bound(wanted: ItemFilter) -> dict[str, str | int]:
    return {"of": wanted.reconciliation_id, "finding": wanted.finding.value if wanted.finding else ""}


def _after(cursor: str, reconciliation_id: str, finding: Finding | None) -> int:
    values = decode_cursor(cursor, _ITEMS_CURSOR)
    after = int(values.pop("after"))
    if values != _bound(ItemFilter(reconciliation_id, 1, -1, finding)):
        raise InvalidRequest("The cursor belongs to another list.")
    return min(max(after, -1), 2**31 - 1)
