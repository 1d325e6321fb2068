"""The one error type of Callward, and the table from its category to gRPC status and HTTP status.

Texts and extras of an error reach callers and logs: they never hold PHI, key material or tokens.
The gRPC side of the mapping is in `callward_common.grpc.status`, so that domain code imports no gRPC.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


class Category(StrEnum):
    """What kind of failure an error is; decides its gRPC status and HTTP status."""

    invalid = "invalid"
    unauthenticated = "unauthenticated"
    forbidden = "forbidden"
    not_found = "not_found"
    gone = "gone"
    conflict = "conflict"
    precondition = "precondition"
    too_large = "too_large"
    unsupported = "unsupported"
    range = "range"
    rate = "rate"
    unavailable = "unavailable"
    deadline = "deadline"
    internal = "internal"


#: Category → (name of the gRPC status, HTTP status of RFC 9110 / 6585).
STATUS: Mapping[Category, tuple[str, int]] = MappingProxyType(
    {
        Category.invalid: ("INVALID_ARGUMENT", 400),
        Category.unauthenticated: ("UNAUTHENTICATED", 401),
        Category.forbidden: ("PERMISSION_DENIED", 403),
        Category.not_found: ("NOT_FOUND", 404),
        Category.gone: ("NOT_FOUND", 410),
        Category.conflict: ("ABORTED", 409),
        Category.precondition: ("FAILED_PRECONDITION", 409),
        Category.too_large: ("OUT_OF_RANGE", 413),
        Category.unsupported: ("INVALID_ARGUMENT", 415),
        Category.range: ("OUT_OF_RANGE", 416),
        Category.rate: ("RESOURCE_EXHAUSTED", 429),
        Category.unavailable: ("UNAVAILABLE", 503),
        Category.deadline: ("DEADLINE_EXCEEDED", 504),
        Category.internal: ("INTERNAL", 500),
    }
)


def _words(slug: str) -> str:
    return slug.replace("-", " ").capitalize()


class CallwardError(Exception):
    """An error with a stable type that callers may rely on. `detail` and `extra` hold no PHI, keys or tokens."""

    category: ClassVar[Category] = Category.internal
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    #: The problem type's URI where a standard has registered one (RFC 9457 section 4.2).
    type_uri: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        """Gives a class that states a type and no title the words of the type as its title."""
        if "type" in vars(cls) and "title" not in vars(cls):
            cls.title = _words(cls.type)

    def __init__(
        self,
        detail: str,
        *,
        extra: Mapping[str, JsonValue] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`detail`: one sentence for the caller; `retry_after`: seconds after which a new try may succeed."""
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, JsonValue] = dict(extra or {})
        self.retry_after = retry_after

    @property
    def http_status(self) -> int:
        """The HTTP status that a door answers with."""
        return STATUS[self.category][1]

    @property
    def http_headers(self) -> Mapping[str, str]:
        """The HTTP headers that belong to the answer, for example WWW-Authenticate or Content-Range."""
        return {"Retry-After": str(math.ceil(self.retry_after))} if self.retry_after is not None else {}


class InvalidRequest(CallwardError):
    """The request is malformed or breaks a stated limit."""

    category = Category.invalid
    type = "invalid-request"


class Unauthenticated(CallwardError):
    """Nobody is identified. The base of the token errors."""

    category = Category.unauthenticated
    type = "unauthenticated"

    @property
    def http_headers(self) -> Mapping[str, str]:
        """The challenge that RFC 9110 section 15.5.2 demands."""
        return {"WWW-Authenticate": 'Bearer realm="callward"'}


class Forbidden(CallwardError):
    """The caller is known and may not do this."""

    category = Category.forbidden
    type = "forbidden"


class CallerNotAllowed(Forbidden):
    """A component called a gRPC service whose `callers` option does not name it."""

    type = "caller-not-allowed"


class NotFound(CallwardError):
    """There is no such thing, or not for this tenant: both look the same."""

    category = Category.not_found
    type = "not-found"


class MethodNotAllowed(CallwardError):
    """The resource exists and does not know this HTTP method (RFC 9110 section 15.5.6)."""

    category = Category.invalid
    type = "method-not-allowed"

    @property
    def http_status(self) -> int:
        """405: no category stands for it, since it exists in HTTP only."""
        return 405


class Conflict(CallwardError):
    """The state of the resource does not admit the request."""

    category = Category.conflict
    type = "conflict"


class Gone(CallwardError):
    """What was asked for was here and is not any more."""

    category = Category.gone
    type = "gone"


class TooManyRequests(CallwardError):
    """A stated rate or quota is used up."""

    category = Category.rate
    type = "too-many-requests"


class TooLarge(CallwardError):
    """The body is larger than the limit."""

    category = Category.too_large
    type = "too-large"


class UnsupportedMediaType(CallwardError):
    """The body is of a media type that is not taken here."""

    category = Category.unsupported
    type = "unsupported-media-type"


class Unavailable(CallwardError):
    """A dependency does not answer; a later try may succeed."""

    category = Category.unavailable
    type = "unavailable"


class DeadlineExceeded(CallwardError):
    """The time that the caller gave ran out."""

    category = Category.deadline
    type = "deadline-exceeded"


class InternalError(CallwardError):
    """A fault of Callward itself. Its cause is in the log, never in the answer."""

    category = Category.internal
    type = "internal-error"


class RemoteError(CallwardError):
    """An error of another component whose type this process does not know: to pass on or to translate."""

    category = Category.internal
    type = "remote-error"

    def __init__(
        self,
        detail: str,
        *,
        type: str,  # noqa: A002  # the name it has as an attribute
        category: Category,
        extra: Mapping[str, JsonValue] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`type` and `category` are those that the other component sent."""
        super().__init__(detail, extra=extra, retry_after=retry_after)
        self.type = type  # type: ignore[misc]  # an instance carries what the other component sent
        self.category = category  # type: ignore[misc]
        self.title = _words(type)  # type: ignore[misc]


def known_errors(base: type[CallwardError] = CallwardError) -> Iterator[type[CallwardError]]:
    """Yields every imported error class that states a type of its own. docs/errors.md is compared with it."""
    for child in base.__subclasses__():
        if "type" in vars(child):
            yield child
        yield from known_errors(child)


def to_problem(error: CallwardError, request_id: str) -> dict[str, JsonValue]:
    """Gives the RFC 9457 problem document of an error. Extras never overwrite its standard members."""
    return {
        **error.extra,
        "type": error.type_uri or f"urn:callward:problem:{error.type}",
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "request_id": request_id,
    }
