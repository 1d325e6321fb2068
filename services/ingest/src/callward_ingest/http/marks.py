"""/v1/calls/{call}/marks: what happens during a call, as signed statements."""

from typing import Annotated, Self

from fastapi import APIRouter, Query
from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.http.cursors import InvalidCursor, decode_cursor, encode_cursor
from callward_common.http.model import Code, StrictModel, Text, Timestamp, refusal
from callward_common.ids import parse_id
from callward_ingest.app.marks import Marks
from callward_ingest.domain.marks import SILENCING, MarkKind, NewMark
from callward_ingest.http.calls import SCOPE
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, respond, small_request

MAX_PAGE = 200
_SHAPE = {"call": str, "after": int}
#: No digits: a number that identifies somebody cannot become part of a ledger.
Reason = Annotated[str, Text(64, pattern=r"^[a-z](?:[a-z-]*[a-z])?$")]


class MarkBody(StrictModel):
    """A control mark. Without `legId` it is about the whole call. `until` is for a mask known beforehand."""

    kind: MarkKind
    at: Timestamp
    leg_id: Code | None = None
    reason: Reason | None = Field(
        default=None, description="Why, as a code of lower-case letters and hyphens; mask and pause need one."
    )
    until: Timestamp | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind in SILENCING and self.reason is None:
            raise refusal("A mask or pause needs a reason.")
        if self.kind is MarkKind.leg_added and self.leg_id is None:
            raise refusal("The leg that was added has to be named.")
        if self.until is not None and (self.kind is not MarkKind.mask or self.until <= self.at):
            raise refusal("Only a mask may say beforehand when it ends, and it ends after it begins.")
        return self

    def to_domain(self) -> NewMark:
        """Returns the mark."""
        return NewMark(self.kind, self.at, self.leg_id, self.reason or "", self.until)


class MarkAnswer(StrictModel):
    """A mark on record. `statement` is a compact JWS of type callward-mark+jws; `position` counts the call's marks."""

    call_id: str
    mark_id: str
    kind: str
    leg_id: str | None
    reason: str | None
    at: Timestamp
    until: Timestamp | None
    received_at: Timestamp
    event_id: str
    position: int
    statement: str


class MarkTaken(MarkAnswer):
    """A mark was taken down. It never changes.

    A mark is no evidence of consent, an announcement's neither: send that to `evidence_path`. `kept_recordings` were
    sealed before the mark came, and hold sound that it asks to be silenced: nothing that is sealed ever changes.
    """

    counts_as_evidence: bool
    evidence_path: str | None
    kept_recordings: list[str]


class MarkPage(StrictModel):
    """A page of marks in the order in which they came. `next_cursor` is null at the end."""

    marks: list[MarkAnswer]
    next_cursor: str | None


def marks_router(guard: Guard, marks: Marks) -> APIRouter:
    """Gives the routes of control marks; every one needs the scope `calls:write`."""
    router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=guarded_route(guard, SCOPE))

    @router.post(
        "/{call_id}/marks",
        status_code=201,
        response_model=MarkTaken,
        openapi_extra={"parameters": [IDEMPOTENCY_PARAMETER]},
    )
    async def record_mark(request: Request, call_id: str, body: MarkBody) -> JSONResponse:
        """Takes a control mark down and answers with its signed statement.

        A mask or pause silences what is recorded of its time, from now on: what has passed before stays, and its
        recording is then kept apart. A mark may add silence to the past but never take any away.
        """
        call_id = parse_id(call_id)
        stated = small_request(request, "calls.marks", body, call_id=call_id)
        return respond(await marks.record(stated, call_id, body.to_domain()), 201)

    @router.get("/{call_id}/marks", response_model=MarkPage)
    async def list_marks(
        request: Request,
        call_id: str,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[str, Query(max_length=512)] = "",
    ) -> JSONResponse:
        """Lists the control marks of a call in the order in which they came."""
        call_id, tenant = parse_id(call_id), principal_of(request).tenant_id
        shown, last = await marks.page(tenant, call_id, after=_after(cursor, call_id), limit=limit)
        following = None if last is None else encode_cursor({"call": call_id, "after": last})
        return JSONResponse({"marks": shown, "nextCursor": following})

    return router


def _after(cursor: str, call_id: str) -> int:
    if not cursor:
        return 0
    found = decode_cursor(cursor, _SHAPE)
    after = found["after"]
    if found["call"] != call_id or not isinstance(after, int) or not 0 <= after < 2**31:
        raise InvalidCursor("The cursor is not one of this list.")
    return after
