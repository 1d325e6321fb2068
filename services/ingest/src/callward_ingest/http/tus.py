"""tus 1.0 (tus.io/protocols/resumable-upload) as a second dialect of the same uploads.

An upload is whole when its offset reaches its length. The receipt is then at /v1/receipts.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from callward_common.errors import CallwardError, Category, InvalidRequest, UnsupportedMediaType
from callward_ingest.app.resumable import Bytes
from callward_ingest.domain.errors import BodyTooLarge, InconsistentUploadLength, UploadNotSealed
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.domain.uploads import Upload, UploadState
from callward_ingest.http import upload_fields as fields
from callward_ingest.http.body import demand_no_coding
from callward_ingest.http.clocks import parse_leg, parse_started_at
from callward_ingest.http.digests import stated_digests
from callward_ingest.http.guard import principal_of
from callward_ingest.http.upload_answers import location
from callward_ingest.http.upload_door import UploadDoor, wanted_upload

VERSION: Final = "1.0.0"
VERSION_HEADERS: Mapping[str, str] = {"Tus-Resumable": VERSION}
EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration"
OFFSET_STREAM: Final = "application/offset+octet-stream"


class TusVersionMismatch(CallwardError):
    """Another version of tus than 1.0.0 was asked for."""

    category = Category.precondition
    type = "tus-version-mismatch"
    title = "Another version of tus"

    @property
    def http_status(self) -> int:
        """412, as tus demands."""
        return 412

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says which version is spoken."""
        return {"Tus-Version": VERSION}


class ChecksumMismatch(InvalidRequest):
    """The bytes do not have the checksum that was stated: they are not kept."""

    type = "checksum-mismatch"
    title = "Checksum mismatch"

    @property
    def http_status(self) -> int:
        """460: tus's own status."""
        return 460

    @property
    def http_headers(self) -> Mapping[str, str]:
        """Says which protocol the status belongs to."""
        return VERSION_HEADERS


def speaks(request: Request) -> bool:
    """Tells whether a request speaks tus. Raises TusVersionMismatch for another version."""
    version = request.headers.get("tus-resumable")
    if version is None:
        return False
    if version.strip() != VERSION:
        raise TusVersionMismatch(f"The version of tus spoken here is {VERSION}.")
    return True


def description(door: UploadDoor) -> dict[str, str]:
    """Gives what OPTIONS says of tus."""
    return {
        **VERSION_HEADERS,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(door.limits.max_bytes),
        "Tus-Checksum-Algorithm": "sha256,sha1",
    }


async def create(
    request: Request, door: UploadDoor, call: str | None, leg: str | None, started_at: datetime | None
) -> Response:
    """Opens an upload; bytes may come with the request (extension creation-with-upload).

    What the query does not say the metadata may: `call`, `leg`, `startedAt`, `filetype`.
    """
    length = fields.tus_number(request, fields.LENGTH)
    deferred = fields.tus_single(request, "Upload-Defer-Length")
    if (length is None) == (deferred is None) or deferred not in (None, "1"):
        raise InvalidRequest("Either Upload-Length or Upload-Defer-Length: 1 is stated.")
    if "upload-concat" in request.headers:
        # Taken as a whole upload, each piece would become a recording of its own.
        raise InvalidRequest("Uploads are not put together here.", extra={"header": "Upload-Concat"})
    metadata = fields.tus_metadata(request)
    kind = metadata.get("filetype", "audio/wav")
    parse_media_type(kind)
    demand_no_coding(request)
    if request.headers.get("content-type") is not None:
        _demand_offset_stream(request)
    wanted = wanted_upload(request, call or metadata.get("call"), kind, length)
    if started_at is None and "startedAt" in metadata:
        started_at = parse_started_at(metadata["startedAt"])
    wanted = replace(wanted, leg=leg or parse_leg(metadata.get("leg")), started_at=started_at)

    async def announce(_: Upload) -> None:
        """Tus has no interim responses."""

    outcome = await door.resumable.create(wanted, await _bytes(request, door, length, 0), announce)
    headers = {"Location": location(outcome.upload), fields.OFFSET: str(outcome.upload.received)}
    return Response(None, 201, {**VERSION_HEADERS, **_expiry(outcome.upload), **headers})


async def append(request: Request, door: UploadDoor, upload_id: str) -> Response:
    """Appends to an upload. The last byte completes it."""
    _demand_offset_stream(request)
    demand_no_coding(request)
    offset = fields.tus_number(request, fields.OFFSET)
    if offset is None:
        raise InvalidRequest("An append states its Upload-Offset.", extra={"header": fields.OFFSET})
    tenant = principal_of(request).tenant_id
    upload = await door.resumable.status(tenant, upload_id)
    stated = fields.tus_number(request, fields.LENGTH)
    length = upload.length if stated is None else stated
    content = fields.content_length(request)
    if length is not None and content is not None and offset == upload.received and offset + content > length:
        raise InconsistentUploadLength("More bytes are announced than the upload's length allows.")
    sent = await _bytes(request, door, length, offset)
    outcome = await door.resumable.append(tenant, upload_id, offset, sent)
    headers = {**VERSION_HEADERS, **_expiry(outcome.upload), fields.OFFSET: str(outcome.upload.received)}
    return Response(None, 204, headers)


async def look(door: UploadDoor, tenant: str, upload_id: str) -> Response:
    """Gives the offset to go on at. At the length, a sender of tus is done: the upload is completed, if it is not yet.

    That is so when a process died, or an append was ended, between the last byte and the end of its request.
    """
    upload = await door.resumable.look(tenant, upload_id)
    if upload.state is UploadState.receiving and upload.received == upload.length:
        nothing = Bytes(_nothing(), complete=True, acknowledge=_unsaid, length=upload.length)
        # Not sealed at this moment: it is whole, and is sealed without the sender.
        with suppress(UploadNotSealed):
            await door.resumable.append(tenant, upload_id, upload.received, nothing)
        upload = await door.resumable.status(tenant, upload_id)
    return _state(upload)


def _state(upload: Upload) -> Response:
    headers = {**VERSION_HEADERS, **_expiry(upload), fields.OFFSET: str(upload.received)}
    headers["Cache-Control"] = "no-store"
    if upload.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers[fields.LENGTH] = str(upload.length)
    return Response(None, 200, headers)


async def _bytes(request: Request, door: UploadDoor, length: int | None, offset: int) -> Bytes:
    if length is not None and length > door.limits.max_bytes:
        raise BodyTooLarge(
            f"The body is larger than {door.limits.max_bytes} bytes.", extra={"limit": door.limits.max_bytes}
        )
    content = fields.content_length(request)
    complete = length is not None and content is not None and offset + content == length
    checksum = fields.tus_checksum(request)
    body: AsyncIterator[bytes] = aiter(door.body(request))
    return Bytes(
        body if checksum is None else _checked(body, *checksum),
        complete,
        _unsaid,
        length,
        digest=stated_digests(request).content,
        verifies=checksum is not None,
        complete_at=length,
    )


async def _checked(body: AsyncIterator[bytes], algorithm: str, stated: bytes) -> AsyncIterator[bytes]:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    async for chunk in body:
        digest.update(chunk)
        yield chunk
    if digest.digest() != stated:
        raise ChecksumMismatch("The bytes do not have the checksum stated.")


async def _nothing() -> AsyncIterator[bytes]:
    for piece in tuple[bytes, ...]():
        yield piece


async def _unsaid(_: int) -> None:
    """Tus acknowledges with the final response alone."""


def _demand_offset_stream(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != OFFSET_STREAM:
        raise UnsupportedMediaType(f"Bytes of tus are of the type {OFFSET_STREAM}.")


def _expiry(upload: Upload) -> dict[str, str]:
    if upload.whole:
        return {}
    return {"Upload-Expires": format_datetime(upload.expires_at, usegmt=True)}
