"""Requests that no decent client sends: over a bare socket, stopping wherever a test wants."""

import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.doors import Client


class RawUpload:
    """An upload whose body is sent piece by piece. Leaving the block closes the socket, whatever was announced."""

    def __init__(
        self, platform: Client, call_id: str, *, announced: int | None, key: str, **headers: str
    ) -> None:
        """`announced`: the Content-Length; None sends chunks (RFC 9112 section 7.1)."""
        self._chunked = announced is None
        where = urlsplit(platform.base)
        self.socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=30)
        lines = [
            f"POST /v1/recordings?call={call_id} HTTP/1.1",
            f"Host: {where.netloc}",
            f"Authorization: Bearer {platform.token}",
            "Content-Type: audio/wav",
            f"Idempotency-Key: {key}",
            "Transfer-Encoding: chunked" if announced is None else f"Content-Length: {announced}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends a piece of the body."""
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def status(self) -> int:
        """Waits for an answer and returns its status; 0 when the server hangs up without one."""
        received = b""
        while b"\r\n" not in received:
            more = self.socket.recv(4096)
            if not more:
                return 0
            received += more
        return int(received.split(b" ")[1])
