"""Errors across gRPC: the status follows from the category; type, detail and extra travel in trailing metadata."""

import json
from collections.abc import Iterable
from typing import Any

import grpc

from callward_common import errors
from callward_common.errors import STATUS, CallwardError, Category, RemoteError, known_errors

METADATA_KEY = "callward-error-bin"
#: The most bytes of error detail in trailing metadata: HTTP/2 header lists are bounded at 8 KiB by default.
MAX_BYTES = 4096
_DETAIL_CHARACTERS = 500


def to_grpc(error: CallwardError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Gives status code, details and trailing metadata. Past 4 KiB the extra is dropped and the detail cut."""
    body: dict[str, Any] = {"type": error.type, "category": error.category, "detail": error.detail}
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
    encoded = json.dumps({**body, "extra": error.extra}).encode()
    if len(encoded) > MAX_BYTES:
        encoded = json.dumps({**body, "detail": error.detail[:_DETAIL_CHARACTERS]}).encode()
    return grpc.StatusCode[STATUS[error.category][0]], error.type, ((METADATA_KEY, encoded),)


def from_grpc(
    code: grpc.StatusCode, metadata: Iterable[tuple[str, str | bytes]] | None, callee: str
) -> CallwardError:
    """Gives the error that `callee` answered with.

    A type of `callward_common.errors` arrives as its class; every other arrives as RemoteError, also where the
    class happens to be loaded, so that six services in one process behave as six processes do.
    """
    for key, value in metadata or ():
        if key == METADATA_KEY and isinstance(value, bytes):
            return _decode(value, callee)
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(f"{callee} does not answer.", retry_after=1.0)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{callee} did not answer in time.")
    return errors.InternalError(f"{callee} answered with status {code.name}.")


def _decode(encoded: bytes, callee: str) -> CallwardError:
    try:
        body = json.loads(encoded)
        slug, detail, category = str(body["type"]), str(body["detail"]), Category(body["category"])
        extra, retry_after = dict(body.get("extra") or {}), body.get("retry_after")
    except (ValueError, KeyError, TypeError):
        return errors.InternalError(f"{callee} answered with an error that cannot be read.")
    for known in known_errors():
        if known.__module__ == errors.__name__ and (known.type, known.category) == (slug, category):
            return known(detail, extra=extra, retry_after=retry_after)
    return RemoteError(detail, type=slug, category=category, extra=extra, retry_after=retry_after)
