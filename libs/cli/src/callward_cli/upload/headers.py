"""The header fields of draft-ietf-httpbis-resumable-upload (interop version 8) and of RFC 9530, written and read.

Structured fields are read by RFC 9651. A field of another type counts as absent, as the draft's section 4.1 wants it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import http_sf
import httpx

INTEROP: Final[Mapping[str, str]] = {"Upload-Draft-Interop-Version": "8"}
PARTIAL: Final = "application/partial-upload"
COMPLETE: Final = "?1"
INCOMPLETE: Final = "?0"


@dataclass(frozen=True, slots=True)
class Limits:
    """What Upload-Limit says, in bytes and seconds; None: no limit stated."""

    max_size: int | None = None
    max_append: int | None = None
    min_append: int | None = None
    max_age: int | None = None


def digest_field(sha256: bytes) -> str:
    """Write the value of Repr-Digest."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def offset_of(answer: httpx.Response) -> int | None:
    """Read Upload-Offset."""
    return _number(answer, "Upload-Offset")


def length_of(answer: httpx.Response) -> int | None:
    """Read Upload-Length."""
    return _number(answer, "Upload-Length")


def completeness(answer: httpx.Response) -> bool | None:
    """Read Upload-Complete."""
    value = _item(answer, "Upload-Complete")
    return value if isinstance(value, bool) else None


def limits_of(answer: httpx.Response) -> Limits:
    """Read Upload-Limit. Members that are not known are not looked at; one of a wrong type voids the whole field."""
    raw = answer.headers.get("Upload-Limit")
    if raw is None:
        return Limits()
    try:
        members = http_sf.parse(raw.encode("latin-1"), tltype="dictionary")
        return Limits(
            max_size=_member(members, "max-size"),
            max_append=_member(members, "max-append-size"),
            min_append=_member(members, "min-append-size"),
            max_age=_member(members, "max-age"),
        )
    except (http_sf.StructuredFieldError, ValueError):
        return Limits()


def retry_after(answer: httpx.Response) -> float | None:
    """Read Retry-After where it is a number of seconds (RFC 9110 section 10.2.3); a date counts as absent."""
    raw = answer.headers.get("Retry-After", "").strip()
    return float(raw) if raw.isascii() and raw.isdigit() and len(raw) < 8 else None


def _item(answer: httpx.Response, name: str) -> object:
    raw = answer.headers.get(name)
    if raw is None:
        return None
    try:
        parsed = http_sf.parse(raw.encode("latin-1"), tltype="item")
    except (http_sf.StructuredFieldError, ValueError):
        return None
    return parsed[0] if isinstance(parsed, tuple) else None


def _number(answer: httpx.Response, name: str) -> int | None:
    value = _item(answer, name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def _member(members: object, name: str) -> int | None:
    if not isinstance(members, dict):
        raise ValueError("no dictionary")
    if name not in members:
        return None
    value = members[name][0] if isinstance(members[name], tuple) else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(name)
    return value
