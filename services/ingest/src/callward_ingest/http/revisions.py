"""PATCH /v1/calls/{call} and /v1/calls/{call}/revisions: what becomes known late, with its history."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import Field, field_validator, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from callward_common.errors import InvalidRequest, UnsupportedMediaType
from callward_common.http.cursors import decode_cursor, encode_cursor
from callward_common.http.model import Code, LongText, ShortText, StrictModel, Timestamp, refusal
from callward_common.http.requests import parse_idempotency_key
from callward_common.ids import parse_id
from callward_ingest.app.answers import actor_json, moment
from callward_ingest.app.once import Request as Stated
from callward_ingest.app.revisions import Revisions
from callward_ingest.domain.revisions import (
    FIXED,
    FIXED_OF_PARTY,
    PARTIES,
    Expected,
    MetadataPatch,
    RevisionEntry,
    demand_not_fixed,
)
from callward_ingest.http.answers import ActorAnswer
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.requests import IDEMPOTENCY_PARAMETER, respond
from callward_ingest.http.schemas import Telephone

SCOPE = "calls:write"
MERGE_PATCH = "application/merge-patch+json"
IF_MATCH = "If-Match"
LARGEST_PAGE = 200
_CURSOR = {"call": str, "after": int}
_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_IF_MATCH_PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": IF_MATCH,
    "description": 'The number of the newest revision in quotes, "0" before the first: refused with 412 when another '
    "came in between.",
    "schema": {"type": "string"},
}


class PartyPatch(StrictModel):
    """What may change of a party: its number; null removes it."""

    telephone: Telephone | None

    @model_validator(mode="before")
    @classmethod
    def _changes_nothing_fixed(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            demand_not_fixed(value, FIXED_OF_PARTY, f"/{PARTIES}/*")
        return value


class MetadataPatchBody(StrictModel):
    """A merge patch (RFC 7396) of a call's metadata: null removes, absent leaves. `parties` is by party id."""

    notes: LongText | None = None
    patient_reference: ShortText | None = None
    agent_id: ShortText | None = None
    external_reference: ShortText | None = None
    parties: dict[Code, PartyPatch] | None = Field(default=None, max_length=32)

    @model_validator(mode="before")
    @classmethod
    def _changes_nothing_fixed(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            demand_not_fixed(value, FIXED, "")
        return value

    @field_validator(PARTIES, mode="before")
    @classmethod
    def _by_party(cls, value: Any) -> Any:
        if value is None:
            raise refusal("The parties of a call cannot be removed.")
        if not isinstance(value, Mapping):
            raise refusal("An object of party ids is wanted: a merge patch would replace a list as a whole.")
        return value

    def to_domain(self) -> MetadataPatch:
        """Returns the patch. Raises InvalidRequest when it changes nothing."""
        stated = self.model_dump(include=self.model_fields_set - {PARTIES}, by_alias=True)
        telephones = {party: patch.telephone for party, patch in (self.parties or {}).items()}
        return MetadataPatch(stated, telephones)


class CallRevised(StrictModel):
    """A call's metadata was revised: which fields, never their values."""

    call_id: str
    revision: int
    revised_at: Timestamp
    changed: list[str]


class RevisionAnswer(StrictModel):
    """A revision without its values."""

    revision: int
    revised_at: Timestamp
    by: ActorAnswer
    changed: list[str]


class RevisionList(StrictModel):
    """A page of a call's revisions, in the order of their numbers."""

    call_id: str
    revisions: list[RevisionAnswer]
    next_cursor: str | None


def revisions_router(guard: Guard, revisions: Revisions, *, max_notes: int) -> APIRouter:
    """Gives the routes of late metadata; each needs the scope `calls:write`."""
    route = guarded_route(guard, SCOPE, demand=_demand_merge_patch)
    router = APIRouter(prefix="/v1/calls/{call_id}", tags=["calls"], route_class=route)
    parameters = {"parameters": [IDEMPOTENCY_PARAMETER, _IF_MATCH_PARAMETER]}

    @router.patch("", response_model=CallRevised, openapi_extra=parameters)
    async def revise_call(
        request: Request, call_id: str, body: Annotated[MetadataPatchBody, Body(media_type=MERGE_PATCH)]
    ) -> JSONResponse:
        """Takes down what became known late of a call, as its next revision. What was known before is kept."""
        call_id, expected = parse_id(call_id), _expected(request)
        if body.notes is not None and len(body.notes) > max_notes:
            raise InvalidRequest(
                f"Notes may have at most {max_notes} characters.", extra={"pointer": "/notes"}
            )
        answer = await revisions.revise(_stated(request, call_id, body), call_id, body.to_domain(), expected)
        response = respond(answer, 200)
        response.headers["ETag"] = f'"{answer.body["revision"]}"'
        return response

    @router.get("/revisions", response_model=RevisionList)
    async def list_revisions(
        request: Request,
        call_id: str,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
        cursor: str | None = None,
    ) -> JSONResponse:
        """Lists a call's revisions: number, when, by which client, which fields. No value."""
        call_id = parse_id(call_id)
        after = 0 if cursor is None else _after(cursor, call_id)
        page = await revisions.page(principal_of(request).tenant_id, call_id, after, limit)
        following = encode_cursor({"call": call_id, "after": page.entries[-1].number}) if page.more else None
        shown = [_shown(entry) for entry in page.entries]
        body = {"callId": call_id, "revisions": shown, "nextCursor": following}
        return JSONResponse(body, headers={"ETag": f'"{page.newest}"'})

    return router


class NotAMergePatch(UnsupportedMediaType):
    """The body of a PATCH is of another media type than the one that is taken (RFC 5789 section 2.2)."""

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says which type is taken (RFC 5789 section 3.1)."""
        return {"Accept-Patch": MERGE_PATCH}


def _stated(request: Request, call_id: str, body: MetadataPatchBody) -> Stated:
    """Gives the request as it is compared with a retry: null and absent differ, and so does what was expected."""
    principal = principal_of(request)
    patch = body.model_dump_json(exclude_unset=True)
    return Stated(
        tenant=principal.tenant_id,
        actor=principal.actor,
        operation="calls.revise",
        canonical=f"{call_id}\n{request.headers.get(IF_MATCH, '')}\n{patch}",
        key=parse_idempotency_key(request),
    )


def _shown(entry: RevisionEntry) -> dict[str, Any]:
    return {
        "revision": entry.number,
        "revisedAt": moment(entry.revised_at),
        "by": actor_json(entry.actor),
        "changed": list(entry.changed),
    }


def _demand_merge_patch(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "PATCH" and kind != MERGE_PATCH:
        raise NotAMergePatch(f"The body has to be {MERGE_PATCH} (RFC 7396).")


def _expected(request: Request) -> Expected:
    """Reads If-Match (RFC 9110 section 13.1.1). Weak tags and those of no revision match nothing."""
    stated = ",".join(request.headers.getlist(IF_MATCH)).strip()
    if not request.headers.getlist(IF_MATCH) or stated == "*":
        return Expected()
    tags = [_ETAG.fullmatch(part.strip()) for part in stated.split(",")]
    if not all(tags) or len(stated) > 1000:
        raise InvalidRequest(
            f'{IF_MATCH} is a list of revisions in quotes, for example "3".', extra={"header": IF_MATCH}
        )
    strong = [tag[2] for tag in tags if tag is not None and tag[1] is None]
    return Expected(frozenset(int(tag) for tag in strong if re.fullmatch("0|[1-9][0-9]{0,8}", tag)))


def _after(cursor: str, call_id: str) -> int:
    values = decode_cursor(cursor, _CURSOR)
    if values["call"] != call_id:
        raise InvalidRequest("The cursor belongs to another call's list.")
    return min(int(values["after"]), 2**31 - 1)
