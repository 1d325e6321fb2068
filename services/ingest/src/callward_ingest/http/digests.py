"""Content-Digest and Repr-Digest of requests (RFC 9530), structured fields by RFC 9651."""

import http_sf
from starlette.requests import Request

from callward_common.errors import InvalidRequest
from callward_ingest.domain.uploads import StatedDigests

CONTENT_DIGEST = "Content-Digest"
REPR_DIGEST = "Repr-Digest"
_ALGORITHM = "sha-256"
_MAX_CHARACTERS = 1024


def stated_digests(request: Request) -> StatedDigests:
    """Returns the SHA-256 digests that the sender stated. Digests by other algorithms beside it are not looked at.

    A field that cannot be read, or that holds no sha-256, raises InvalidRequest: whoever asks for a check gets one.
    Without a content coding and without ranges, content and representation are the same bytes here.
    """
    return StatedDigests(_digest(request, CONTENT_DIGEST), _digest(request, REPR_DIGEST))


def _digest(request: Request, header: str) -> bytes | None:
    values = request.headers.getlist(header)
    if not values:
        return None
    text = ", ".join(values)
    if len(text) > _MAX_CHARACTERS:
        raise _refusal(header, "is too long")
    try:
        fields = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    except (http_sf.StructuredFieldError, ValueError):
        raise _refusal(header, "is not a dictionary of byte sequences (RFC 9530)") from None
    member = fields.get(_ALGORITHM) if isinstance(fields, dict) else None
    value = member[0] if isinstance(member, tuple) else None
    if not isinstance(value, bytes) or len(value) != 32:
        raise _refusal(header, "holds no sha-256 digest of 32 bytes")
    return value


def _refusal(header: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{header} {what}.", extra={"header": header})
