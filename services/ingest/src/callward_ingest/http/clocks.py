"""What a request says of the leg that was recorded, and of its clock."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator, TypeAdapter, ValidationError

from callward_common.errors import InvalidRequest

_LEG = re.compile(r"[A-Za-z0-9._:-]{1,64}")
LegQuery = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9._:-]+$",
        description="The leg that was recorded, as of POST /v1/calls/{call}/legs; without it: the whole call.",
    ),
]


def _as_rfc_3339(text: object) -> object:
    """Refuses a bare number, which would be read as seconds since 1970."""
    if isinstance(text, str) and "T" not in text.upper():
        raise ValueError("a moment is written as RFC 3339 has it")
    return text


_Moment = Annotated[AwareDatetime, BeforeValidator(_as_rfc_3339)]
StartedAtQuery = Annotated[
    _Moment | None,
    Query(
        alias="startedAt",
        description="When the recording's own clock began (RFC 3339): masks are applied by it. Default: its leg's start.",
    ),
]
_MOMENT: TypeAdapter[datetime] = TypeAdapter(_Moment)


def parse_leg(text: str | None) -> str | None:
    """Reads the id of a leg that stands elsewhere than in the query. Raises InvalidRequest."""
    if text is not None and _LEG.fullmatch(text) is None:
        raise InvalidRequest(
            "A leg's id has at most 64 letters, digits and . _ : - alone.", extra={"parameter": "leg"}
        )
    return text


def parse_started_at(text: str) -> datetime:
    """Reads a moment that stands elsewhere than in the query. Raises InvalidRequest."""
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        raise InvalidRequest(
            "startedAt is a moment with its offset (RFC 3339).", extra={"parameter": "startedAt"}
        ) from None
