"""Models of the HTTP doors: unknown fields, control characters and over-long texts are refused."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def refusal(message: str) -> PydanticCustomError:
    """Gives the error for a validator to raise. `message` reaches the caller: a constant, without the value."""
    return PydanticCustomError("refused", "{message}", {"message": message})


def _demand_printable(value: Any) -> None:
    if isinstance(value, str):
        if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in value):
            raise refusal("Control characters are not allowed.")
    elif isinstance(value, list):
        for item in value:
            _demand_printable(item)


class StrictModel(BaseModel):
    """The base of bodies and answers: frozen, camelCase names in JSON, unknown fields and controls refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        _demand_printable(value)
        return value


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, (str, datetime)) or (isinstance(value, str) and "T" not in value.upper()):
        raise refusal("A time is written as in RFC 3339, with its offset.")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise refusal("The time lies outside the calendar.") from None


def _to_text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def Text(  # noqa: N802  # it reads as the type it makes
    max_length: int, *, min_length: int = 1, pattern: str | None = None
) -> Any:
    """Gives the annotation of a text of `min_length` to `max_length` characters: `Annotated[str, Text(80)]`."""
    return StringConstraints(min_length=min_length, max_length=max_length, pattern=pattern)


ShortText = Annotated[str, Text(200)]
LongText = Annotated[str, Text(4000)]
#: An identifier of somebody else's: ASCII letters, digits and ._:-
Code = Annotated[str, Text(64, pattern=r"^[A-Za-z0-9._:-]+$")]
#: A moment as RFC 3339 text with its offset; written in UTC with Z.
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_in_utc),
    PlainSerializer(_to_text, when_used="json"),
]
