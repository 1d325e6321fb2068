"""The header fields of resumable uploads, as requests state them and answers show them."""

import base64
import binascii
from typing import Any

import http_sf
from starlette.requests import Request

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_ingest.domain.uploads import Upload, UploadState

COMPLETE, OFFSET, LENGTH, LIMIT = "Upload-Complete", "Upload-Offset", "Upload-Length", "Upload-Limit"
INTEROP, INTEROP_VERSION = "Upload-Draft-Interop-Version", "8"
#: Booleans as structured fields (RFC 9651).
TRUE, FALSE = "?1", "?0"
PARTIAL_UPLOAD = "application/partial-upload"
#: The longest field that is looked at.
_MAX_CHARACTERS = 64


def stated_complete(request: Request) -> bool | None:
    """Returns Upload-Complete; None where it is missing or no boolean: then the draft has it ignored."""
    value = _item(request, COMPLETE)
    return value if isinstance(value, bool) else None


def stated_number(request: Request, header: str) -> int | None:
    """Returns a non-negative integer; None where it is missing or anything else: then the draft has it ignored."""
    value = _item(request, header)
    return value if type(value) is int and value >= 0 else None


def content_length(request: Request) -> int | None:
    """Returns the length of the content, where it is stated."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def upload_limit(clock: Clock, max_size: int, upload: Upload | None = None) -> str:
    """Gives Upload-Limit: the largest recording, and the seconds that are left of an upload's life."""
    if upload is None or upload.state is not UploadState.receiving:
        return f"max-size={max_size}"
    left = max(0, int((upload.expires_at - clock.now()).total_seconds()))
    return f"max-size={max_size}, max-age={left}"


def wants_interim(request: Request) -> bool:
    """Tells whether the sender knows interim responses of the draft's version that is spoken here."""
    return [each.strip() for each in request.headers.getlist(INTEROP)] == [INTEROP_VERSION]


def tus_metadata(request: Request) -> dict[str, str]:
    """Returns Upload-Metadata of tus 1.0: keys, and values in base64. Raises InvalidRequest."""
    text = tus_single(request, "Upload-Metadata") or ""
    if len(text) > 4096:
        raise _refusal("Upload-Metadata", "is too long")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        if not key or key in found:
            raise _refusal("Upload-Metadata", "has an empty key, or one that is there twice")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _refusal("Upload-Metadata", "holds a value that is not base64 of UTF-8") from None
    return found


def tus_single(request: Request, header: str) -> str | None:
    """Returns a header that may be there once. Raises InvalidRequest where it is there twice."""
    values = request.headers.getlist(header)
    if len(values) > 1:
        raise _refusal(header, "is there more than once")
    return values[0] if values else None


def tus_number(request: Request, header: str) -> int | None:
    """Returns a non-negative integer as tus states it; None where it is missing. Raises InvalidRequest."""
    values = request.headers.getlist(header)
    if not values:
        return None
    text = values[0].strip()
    if len(values) > 1 or not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise _refusal(header, "is not one non-negative integer")
    return int(text)


def tus_checksum(request: Request) -> tuple[str, bytes] | None:
    """Returns Upload-Checksum: the algorithm and the digest. Raises InvalidRequest."""
    stated = request.headers.getlist("upload-checksum")
    if not stated:
        return None
    if len(stated) > 1:
        raise _refusal("Upload-Checksum", "is there twice")
    algorithm, _, value = stated[0].strip().partition(" ")
    sizes = {"sha256": 32, "sha1": 20}
    if algorithm not in sizes:
        raise _refusal("Upload-Checksum", "states another algorithm than sha256 or sha1")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except binascii.Error:
        raise _refusal("Upload-Checksum", "is not base64") from None
    if len(digest) != sizes[algorithm]:
        raise _refusal("Upload-Checksum", "has not the length of its algorithm")
    return algorithm, digest


def _item(request: Request, header: str) -> Any:
    text = ", ".join(request.headers.getlist(header))
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    try:
        parsed = http_sf.parse(text.encode("latin-1"), tltype="item")
    except (http_sf.StructuredFieldError, ValueError):
        return None
    return parsed[0] if isinstance(parsed, tuple) else None


def _refusal(header: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{header} {what}.", extra={"header": header})
