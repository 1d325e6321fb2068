"""What OpenAPI says of the headers and bodies of uploads."""

from typing import Any

from callward_common.http.requests import IDEMPOTENCY_KEY
from callward_ingest.domain.media_types import TAKEN

_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "in": "header",
        "name": name,
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_COMPLETE = _header(
    "Upload-Complete", "`?1` when the recording is whole with this request, else `?0`. Not with tus."
)
_LENGTH = _header("Upload-Length", "The bytes of the whole recording, as soon as they are known.")
_CONTENT = _header("Content-Digest", "The digest of this request's bytes as `sha-256=:…:` (RFC 9530).")
_INTEROP = _header("Upload-Draft-Interop-Version", "`8`: interim responses 104 are understood.")
_TUS = _header("Tus-Resumable", "`1.0.0`: the request speaks tus 1.0 instead.")

CREATE_DOCS: dict[str, Any] = {
    "parameters": [
        _COMPLETE,
        _LENGTH,
        _header(IDEMPOTENCY_KEY, "The same key gives the same upload again."),
        _CONTENT,
        _header("Repr-Digest", "The digest of the whole recording. The receipt then commits to it."),
        _INTEROP,
        _TUS,
    ],
    "requestBody": {
        "description": "The recording, or its first bytes, as they are.",
        "content": dict.fromkeys(TAKEN, _BINARY),
    },
}
APPEND_DOCS: dict[str, Any] = {
    "parameters": [
        _COMPLETE,
        _header("Upload-Offset", "Where the upload ends and these bytes begin.", required=True),
        _LENGTH,
        _CONTENT,
        _INTEROP,
        _TUS,
    ],
    "requestBody": {
        "description": "The next bytes; none completes an upload whose bytes have all come.",
        "content": {"application/partial-upload": _BINARY, "application/offset+octet-stream": _BINARY},
    },
}
