"""Identifiers: UUID version 7 (RFC 9562 section 5.7), which sort by their time of creation."""

import re

import uuid_utils

from callward_common.errors import InvalidRequest

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id() -> str:
    """Returns a new UUIDv7 in canonical lower-case form."""
    return str(uuid_utils.uuid7())


def parse_id(text: str) -> str:
    """Returns `text` when it is a UUIDv7 in canonical lower-case form, else raises InvalidRequest."""
    if _CANONICAL.fullmatch(text) is None:
        raise InvalidRequest("An id is not a UUIDv7 in canonical lower-case form.")
    return text
