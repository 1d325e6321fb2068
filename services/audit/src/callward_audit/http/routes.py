"""Routes of the door: events by cursor, checkpoints, proofs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from callward_audit.app.reading import ReadingApp
from callward_audit.domain.errors import EventNotFound
from callward_audit.domain.names import demand_log_name, origin
from callward_audit.http.models import EventProof, HashList, LogList, encode, event_proof, log_view
from callward_audit.http.readers import Readers
from callward_common.errors import InvalidRequest
from callward_common.http.cursors import decode_cursor, encode_cursor
from callward_common.ids import parse_id

MAX_PAGE = 1000
NEXT_CURSOR = "Callward-Next-Cursor"
_CURSOR = {"log": str, "index": int}


def router(app: ReadingApp, readers: Readers, *, host: str) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["audit"])

    @routes.get("/events", operation_id="pullEvents", response_class=Response, responses={200: _NDJSON})
    async def pull_events(
        request: Request,
        cursor: Annotated[str, Query(max_length=512)] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 500,
    ) -> Response:
        """Pull the tenant's events, oldest first, one OCSF document a line: each line's exact bytes are a leaf.

        Go on with the cursor of the header Callward-Next-Cursor; it is there also when nothing is new.
        """
        principal = await readers.identify(request, "events.pull")
        logs = [head.log for head in reversed(await app.logs())]
        log, start = _place(cursor, logs)
        lines = [leaf async for leaf in app.events(principal.tenant_id, log, start, limit)] if log else []
        following: dict[str, str | int] = {"log": log, "index": lines[-1].index + 1 if lines else start}
        if not lines and log and logs.index(log) + 1 < len(logs):
            following = {"log": logs[logs.index(log) + 1], "index": 0}
        body = b"".join(leaf.body + b"\n" for leaf in lines)
        return Response(body, media_type=_MEDIA_TYPE, headers={NEXT_CURSOR: encode_cursor(following)})

    @routes.get("/events/{event_id}/proof", operation_id="proveEvent")
    async def prove_event(request: Request, event_id: str) -> EventProof:
        """Prove that an event is in the log, as a file that verifies offline."""
        principal = await readers.identify(request, "events.prove")
        proof = await app.prove_event(principal.tenant_id, _event_id(event_id))
        return event_proof(proof, origin(host, proof.checkpoint.log))

    @routes.get("/logs", operation_id="listLogs")
    async def list_logs(request: Request) -> LogList:
        """List all logs, newest first."""
        await readers.identify(request, "logs.list")
        return LogList(logs=[log_view(head) for head in await app.logs()])

    @routes.get("/logs/{log}/checkpoint", operation_id="getCheckpoint", response_class=PlainTextResponse)
    async def get_checkpoint(request: Request, log: str) -> Response:
        """Return the newest checkpoint of a log: a C2SP signed note."""
        await readers.identify(request, "logs.checkpoint")
        checkpoint = await app.checkpoint(demand_log_name(log))
        return PlainTextResponse(checkpoint.note)

    @routes.get("/logs/{log}/inclusion", operation_id="proveInclusion")
    async def prove_inclusion(
        request: Request,
        log: str,
        index: Annotated[int, Query(ge=0, le=_MAX)],
        size: Annotated[int, Query(ge=1, le=_MAX)],
    ) -> HashList:
        """Prove a leaf index under a tree size."""
        await readers.identify(request, "logs.inclusion")
        return HashList(
            hashes=[encode(item) for item in await app.inclusion(demand_log_name(log), index, size)]
        )

    @routes.get("/logs/{log}/consistency", operation_id="proveConsistency")
    async def prove_consistency(
        request: Request,
        log: str,
        old: Annotated[int, Query(alias="from", ge=1, le=_MAX)],
        new: Annotated[int, Query(alias="to", ge=1, le=_MAX)],
    ) -> HashList:
        """Prove that a later tree extends an earlier one."""
        await readers.identify(request, "logs.consistency")
        return HashList(
            hashes=[encode(item) for item in await app.consistency(demand_log_name(log), old, new)]
        )

    return routes


_MAX = 2**62
_MEDIA_TYPE = "application/x-ndjson"
_NDJSON = {"content": {_MEDIA_TYPE: {"schema": {"type": "string"}}}}


def _place(cursor: str, logs: list[str]) -> tuple[str, int]:
    if not cursor:
        return (logs[0] if logs else ""), 0
    values = decode_cursor(cursor, _CURSOR)
    log, index = str(values["log"]), int(values["index"])
    if (log and log not in logs) or not 0 <= index <= _MAX:
        raise InvalidRequest("the cursor names no place in the log")
    return log or (logs[0] if logs else ""), index


def _event_id(text: str) -> str:
    try:
        return parse_id(text)
    except InvalidRequest as error:
        raise EventNotFound("there is no event with this id") from error
