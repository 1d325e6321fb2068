"""Opaque cursors of lists: base64url of JSON. They are not signed: who reads one checks what is in it."""

import base64
import json
from collections.abc import Mapping

from callward_common.errors import InvalidRequest

Cursor = Mapping[str, str | int]
MAX_CHARACTERS = 512


class InvalidCursor(InvalidRequest):
    """A cursor was not given out by this list."""

    type = "invalid-cursor"


def encode_cursor(values: Cursor) -> str:
    """Gives the cursor that holds `values`."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(text: str, shape: Mapping[str, type[str] | type[int]]) -> dict[str, str | int]:
    """Gives the values of a cursor when they are exactly of `shape` (name → type), else raises InvalidCursor."""
    try:
        if len(text) > MAX_CHARACTERS or not text.isascii():
            raise ValueError
        values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise InvalidCursor("The cursor is not one of this list.") from None
    if not isinstance(values, dict) or {name: type(value) for name, value in values.items()} != dict(shape):
        raise InvalidCursor("The cursor is not one of this list.")
    return values
