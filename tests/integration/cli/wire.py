"""HTTP/1.1 over threads, for a server that may break off wherever a test wants."""

import socket
import socketserver
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import h11

RECEIVE = 16 * 1024


class Broken(Exception):
    """Raised by a handler: the connection is reset, without an answer."""


@dataclass(frozen=True)
class Request:
    """A request whose body comes piece by piece."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: Iterator[bytes]


@dataclass(frozen=True)
class Response:
    """What is answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Handler = Callable[[Request], Response]


class WireServer(socketserver.ThreadingTCPServer):
    """Listens on loopback; serves each connection in a thread."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self.handler = handler
        super().__init__(("127.0.0.1", port), _Connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed breaks its connection; that is what these tests are about."""


class _Connection(socketserver.BaseRequestHandler):
    server: WireServer
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.http = h11.Connection(h11.SERVER)
        try:
            while self._one():
                self.http.start_next_cycle()
        except Broken:
            # A reset, as a machine gives that loses its power.
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()

    def _one(self) -> bool:
        head = self._next()
        if not isinstance(head, h11.Request):
            return False
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        body = self._body()
        answer = self.server.handler(Request(head.method.decode(), head.target.decode(), headers, body))
        for _ in body:
            # Whatever the handler left.
            continue
        sent = {"content-length": str(len(answer.body)), **answer.headers}
        if answer.status == 204:
            del sent["content-length"]
        self._send(h11.Response(status_code=answer.status, headers=list(sent.items())))
        if head.method != b"HEAD":
            self._send(h11.Data(data=answer.body))
        self._send(h11.EndOfMessage())
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE

    def _body(self) -> Iterator[bytes]:
        while isinstance(event := self._next(), h11.Data):
            yield bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise Broken

    def _next(self) -> Any:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            try:
                self.http.receive_data(self.request.recv(RECEIVE))
            except OSError:
                raise Broken from None
            except h11.RemoteProtocolError:
                raise Broken from None
        return event

    def _send(self, event: Any) -> None:
        data = self.http.send(event)
        if data:
            self.request.sendall(data)
