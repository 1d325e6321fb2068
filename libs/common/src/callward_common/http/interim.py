"""Interim responses (RFC 9110 section 15.2), which ASGI has no message for."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.requests import Request

#: The key of our extension in a request's ASGI scope.
EXTENSION = "callward.interim"
Write = Callable[[bytes], bool]


def interim_extension(transport: asyncio.WriteTransport, current: Callable[[], bool]) -> dict[str, Any]:
    """Gives what a server puts into a scope's extensions. `current`: whether the request's answer is still to begin."""

    def write(data: bytes) -> bool:
        if transport.is_closing() or not current():
            return False
        transport.write(data)
        return True

    return {EXTENSION: write}


def send_interim(request: Request, status: int, phrase: str, headers: Mapping[str, str]) -> bool:
    """Sends an interim response; False where that is impossible: another server, HTTP/1.0, or the answer has begun."""
    write: Write | None = request.scope.get("extensions", {}).get(EXTENSION)
    if write is None or request.scope.get("http_version") == "1.0":
        return False
    if not HTTPStatus.CONTINUE < status < HTTPStatus.OK:
        raise ValueError("an interim response other than 100 has a status from 101 to 199")
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header holds a line break")
    return write("\r\n".join([*lines, "", ""]).encode("latin-1"))
