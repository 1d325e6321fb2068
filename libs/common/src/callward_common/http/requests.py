"""What doors read from a request beside its body."""

import re

from starlette.requests import Request

from callward_common.errors import InvalidRequest

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def bearer(request: Request) -> str | None:
    """Returns the Authorization header as it is, for `TokenVerifier.verify`; None when there is none or several."""
    values = request.headers.getlist("authorization")
    return values[0] if len(values) == 1 else None


def parse_idempotency_key(request: Request) -> str | None:
    """Returns the Idempotency-Key: 1 to 255 visible ASCII characters. Absent: None. Otherwise InvalidRequest."""
    values = request.headers.getlist(IDEMPOTENCY_KEY)
    if not values:
        return None
    if len(values) > 1 or _KEY.fullmatch(values[0]) is None:
        raise InvalidRequest("An Idempotency-Key is one value of 1 to 255 visible ASCII characters.")
    return values[0]
