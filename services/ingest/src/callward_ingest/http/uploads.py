"""/v1/uploads: uploads that resume (draft-ietf-httpbis-resumable-upload, interop version 8; tus 1.0 beside it)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest, UnsupportedMediaType
from callward_common.http.interim import send_interim
from callward_common.ids import parse_id
from callward_ingest.app.appends import Acknowledge
from callward_ingest.app.resumable import Bytes, Outcome, Resumable
from callward_ingest.domain.uploads import Upload, settled_length
from callward_ingest.http import answers, tus
from callward_ingest.http import upload_fields as fields
from callward_ingest.http.body import demand_known_expectation, demand_media, demand_no_coding
from callward_ingest.http.clocks import LegQuery, StartedAtQuery
from callward_ingest.http.digests import stated_digests
from callward_ingest.http.guard import Guard, guarded_route, principal_of
from callward_ingest.http.recordings import SCOPE, BodyLimits
from callward_ingest.http.upload_answers import UploadAnswer, location, status_json
from callward_ingest.http.upload_docs import APPEND_DOCS, CREATE_DOCS
from callward_ingest.http.upload_door import UploadDoor, wanted_upload

_CALL = Query(description="The id of the call that was recorded; tus may state it as metadata `call`.")


class NotAPartialUpload(UnsupportedMediaType):
    """The body of a PATCH is of another media type than the one that is taken (RFC 5789 section 2.2)."""

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says which type is taken (RFC 5789 section 3.1)."""
        return {"Accept-Patch": fields.PARTIAL_UPLOAD}


def uploads_router(guard: Guard, resumable: Resumable, clock: Clock, limits: BodyLimits) -> APIRouter:
    """Gives the routes of uploads; every one needs the scope `recordings:write`."""
    router = APIRouter(prefix="/v1/uploads", tags=["uploads"], route_class=guarded_route(guard, SCOPE))
    door = UploadDoor(resumable, clock, limits)
    _add_creation(router, door)
    _add_append(router, door)
    _add_state(router, door)
    return router


def _add_creation(router: APIRouter, door: UploadDoor) -> None:
    @router.post("", status_code=201, response_model=answers.RecordingTaken, openapi_extra=CREATE_DOCS)
    async def create_upload(
        request: Request,
        call: Annotated[str | None, _CALL] = None,
        leg: LegQuery = None,
        started_at: StartedAtQuery = None,
    ) -> Response:
        """Opens an upload, and takes in what of the recording comes with the request.

        With `Upload-Complete: ?1` and the whole body the answer is the recording's, as of POST /v1/recordings; else
        it names the upload in Location, to go on at Upload-Offset.
        """
        demand_known_expectation(request)
        if tus.speaks(request):
            return await tus.create(request, door, call, leg, started_at)
        complete = _demand_complete(request)
        length = settled_length(
            fields.stated_number(request, fields.LENGTH), fields.content_length(request) if complete else None
        )
        wanted = wanted_upload(request, call, demand_media(request), length)
        wanted = replace(wanted, leg=leg, started_at=started_at)
        sent = Bytes(
            door.body(request),
            complete,
            _progress(request),
            length,
            wanted.stated.content,
        )

        async def announce(upload: Upload) -> None:
            _send_interim(request, {"Location": location(upload), fields.LIMIT: door.limit(upload)})

        outcome = await door.resumable.create(wanted, sent, announce)
        if outcome.answer is not None:
            return _taken(outcome)
        headers = {**door.headers(outcome.upload), "Location": location(outcome.upload)}
        return Response(None, 201, headers)

    @router.options("", status_code=204)
    async def describe_uploads() -> Response:
        """Says that uploads resume here, and within which limits."""
        return _describe(door)


def _add_append(router: APIRouter, door: UploadDoor) -> None:
    @router.patch(
        "/{upload_id}", status_code=201, response_model=answers.RecordingTaken, openapi_extra=APPEND_DOCS
    )
    async def append_to_upload(request: Request, upload_id: str) -> Response:
        """Appends to an upload at Upload-Offset. An append that still runs is ended first.

        With `Upload-Complete: ?1` the recording is whole, and the answer is that of POST /v1/recordings.
        """
        demand_known_expectation(request)
        upload_id = parse_id(upload_id)
        if tus.speaks(request):
            return await tus.append(request, door, upload_id)
        _demand_partial(request)
        demand_no_coding(request)
        complete, offset = _demand_complete(request), fields.stated_number(request, fields.OFFSET)
        if offset is None:
            raise InvalidRequest(
                "An append states its Upload-Offset, a non-negative integer.", extra={"header": fields.OFFSET}
            )
        content = fields.content_length(request)
        whole = offset + content if complete and content is not None else None
        length = settled_length(fields.stated_number(request, fields.LENGTH), whole)
        stated = stated_digests(request)
        sent = Bytes(
            door.body(request),
            complete,
            _progress(request),
            length,
            stated.content,
            representation=stated.representation,
        )
        outcome = await door.resumable.append(principal_of(request).tenant_id, upload_id, offset, sent)
        if outcome.answer is not None:
            return _taken(outcome)
        return Response(None, 204, door.headers(outcome.upload))


def _add_state(router: APIRouter, door: UploadDoor) -> None:
    @router.head("/{upload_id}", status_code=204)
    async def look_at_upload(request: Request, upload_id: str) -> Response:
        """Gives the offset to go on at. An append that still runs is ended first, so that the offset holds."""
        tenant, upload_id = principal_of(request).tenant_id, parse_id(upload_id)
        if tus.speaks(request):
            return await tus.look(door, tenant, upload_id)
        upload = await door.resumable.look(tenant, upload_id)
        return Response(None, 204, _state_headers(door, upload))

    @router.get("/{upload_id}", response_model=UploadAnswer)
    async def get_upload(request: Request, upload_id: str) -> JSONResponse:
        """Shows an upload as it is, and lets an append that runs go on."""
        upload = await door.resumable.status(principal_of(request).tenant_id, parse_id(upload_id))
        return JSONResponse(status_json(upload))

    @router.delete("/{upload_id}", status_code=204)
    async def cancel_upload(request: Request, upload_id: str) -> Response:
        """Ends an upload for good: its objects are deleted and its key is given up."""
        # Before anything is ended: another version of tus might mean something else by it.
        tus.speaks(request)
        await door.resumable.cancel(principal_of(request).tenant_id, parse_id(upload_id))
        return Response(None, 204)

    @router.options("/{upload_id}", status_code=204)
    async def describe_upload(request: Request, upload_id: str) -> Response:
        """Says how an upload is appended to."""
        await door.resumable.status(principal_of(request).tenant_id, parse_id(upload_id))
        return _describe(door)


def _state_headers(door: UploadDoor, upload: Upload) -> dict[str, str]:
    headers = {**door.headers(upload), "Cache-Control": "no-store"}
    if upload.length is not None:
        headers[fields.LENGTH] = str(upload.length)
    if upload.whole:
        headers[fields.COMPLETE] = fields.TRUE
        headers["Location"] = f"/v1/recordings/{upload.upload_id}"
    return headers


def _demand_complete(request: Request) -> bool:
    complete = fields.stated_complete(request)
    if complete is None:
        raise InvalidRequest(
            "The request states whether the upload is whole with it: Upload-Complete is ?0 or ?1.",
            extra={"header": fields.COMPLETE},
        )
    return complete


def _demand_partial(request: Request) -> None:
    kind = ", ".join(request.headers.getlist("content-type")).partition(";")[0].strip().lower()
    if kind != fields.PARTIAL_UPLOAD:
        raise NotAPartialUpload(f"An append is of the type {fields.PARTIAL_UPLOAD}.")


def _taken(outcome: Outcome) -> JSONResponse:
    headers = {
        "Location": f"/v1/recordings/{outcome.upload.upload_id}",
        fields.COMPLETE: fields.TRUE,
        fields.OFFSET: str(outcome.upload.received),
    }
    return JSONResponse(outcome.answer, 201, headers)


def _describe(door: UploadDoor) -> Response:
    headers = {"Accept-Patch": fields.PARTIAL_UPLOAD, fields.LIMIT: door.limit()}
    return Response(None, 204, {**headers, **tus.description(door)})


def _progress(request: Request) -> Acknowledge:
    async def acknowledge(offset: int) -> None:
        _send_interim(request, {fields.OFFSET: str(offset)})

    return acknowledge


def _send_interim(request: Request, headers: dict[str, str]) -> None:
    if fields.wants_interim(request):
        version = {fields.INTEROP: fields.INTEROP_VERSION}
        send_interim(request, 104, "Upload Resumption Supported", {**version, **headers})
