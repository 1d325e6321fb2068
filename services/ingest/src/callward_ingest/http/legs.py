"""/v1/calls/{call}/legs: the lines of a call, each with its own clock."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.http.model import Code, StrictModel, Timestamp
from callward_common.ids import parse_id
from callward_ingest.app.legs import Legs, NewLeg
from callward_ingest.http.calls import SCOPE
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, respond, small_request

Channel = Annotated[int, Field(strict=True, ge=0, le=31)]


class LegBody(StrictModel):
    """A leg. Its id is a code of your own that tells nothing of a person; without one it gets one."""

    leg_id: Code | None = None
    channel: Channel | None = Field(
        default=None,
        description="The channel that carries it, from 0, where one recording holds several legs.",
    )
    started_at: Timestamp
    party_ids: list[Code] = Field(
        default=[], max_length=32, description="The parties of the call that are on it."
    )

    def to_domain(self) -> NewLeg:
        """Returns the leg."""
        parties = tuple(dict.fromkeys(self.party_ids))
        return NewLeg(self.started_at, self.leg_id, self.channel, parties)


class LegAnswer(StrictModel):
    """A leg on record. It never changes."""

    call_id: str
    leg_id: str
    channel: int | None
    started_at: Timestamp
    recorded_at: Timestamp
    party_ids: list[str]


class LegList(StrictModel):
    """The legs of a call in the order in which they were added: all of them, since their number has a limit."""

    legs: list[LegAnswer]


def legs_router(guard: Guard, legs: Legs) -> APIRouter:
    """Gives the routes of legs; every one needs the scope `calls:write`."""
    router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=guarded_route(guard, SCOPE))

    @router.post(
        "/{call_id}/legs",
        status_code=201,
        response_model=LegAnswer,
        openapi_extra={"parameters": [IDEMPOTENCY_PARAMETER]},
    )
    async def add_leg(request: Request, call_id: str, body: LegBody) -> JSONResponse:
        """Takes a leg of the call down. Recordings and marks name it; the same leg again changes nothing."""
        call_id = parse_id(call_id)
        stated = small_request(request, "calls.legs", body, call_id=call_id)
        return respond(await legs.add(stated, call_id, body.to_domain()), 201)

    @router.get("/{call_id}/legs", response_model=LegList)
    async def list_legs(request: Request, call_id: str) -> JSONResponse:
        """Lists the legs of a call."""
        tenant = principal_of(request).tenant_id
        return JSONResponse({"legs": await legs.all(tenant, parse_id(call_id))})

    return router
