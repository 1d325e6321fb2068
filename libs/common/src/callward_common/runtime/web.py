"""uvicorn as the host uses it: bound sockets are given to it, signals are not its business."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from callward_common.http.interim import interim_extension

#: Seconds an idle connection is kept, and bytes of a header block at most.
KEEP_ALIVE_SECONDS, MAX_HEADER_BYTES = 5, 32 * 1024
#: Seconds within which a request's head has to come, from the connection or from its first byte on.
HEAD_SECONDS = 30.0


def split_address(address: str) -> tuple[str, int]:
    """Gives host and port of "host:port" or "[v6]:port". Raises ValueError when it is neither."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ValueError("an address is host:port")
    return host.strip("[]"), int(port)


def demand_loopback(address: str) -> None:
    """Raises ValueError unless the address is a literal of the loopback network: HTTP has no TLS here."""
    host, _ = split_address(address)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError("HTTP without TLS is served on a loopback address only")


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a bound on what the parser keeps: head, trailers, a single header of any length.

    Counted are the bytes since the parser last told of something other than a header (httptools has no limit).
    A head that does not come whole within HEAD_SECONDS ends its connection.
    """

    _silent, _told = 0, False
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection begins with a head that is waited for."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; past MAX_HEADER_BYTES of headers it answers 400 and closes."""
        self._told = False
        # uvicorn types the cycle as always there; before the first request it is not.
        if self._head is None and self.cycle is not None and self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._await_head()
        super().data_received(data)
        self._silent = 0 if self._told else self._silent + len(data)
        if self._silent > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_headers_complete(self) -> None:
        """The head is complete: the request is handled from here on, and may be answered in between."""
        self._told = True
        self._head_came()
        before = self.cycle
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not before:

            def current() -> bool:
                return self.cycle is cycle and not cycle.response_started

            cycle.scope["extensions"] = interim_extension(self.transport, current)
            cycle.receive = _what_came_first(cycle)  # type: ignore[method-assign]

    def on_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        self._told = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._told = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def listen(address: str) -> socket.socket:
    """Returns a socket that listens there; port 0 takes a free one. Whoever holds it holds the port."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listening: socket.socket) -> str:
    """Returns where a socket listens, as "host:port" or "[v6]:port"."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _what_came_first(cycle: RequestResponseCycle) -> Any:
    """Gives a `receive` that tells of a broken connection only after every byte that came over it."""
    receive = cycle.receive

    async def received() -> Any:
        message = await receive()
        if message["type"] == "http.disconnect" and cycle.body and not cycle.response_complete:
            body, cycle.body = bytes(cycle.body), bytearray()
            return {"type": "http.request", "body": body, "more_body": True}
        return message

    return received


class WebServer(uvicorn.Server):
    """An HTTP server on a socket of its own. `start()` returns when it accepts; `stop()` when it has drained."""

    def __init__(
        self, app: ASGIApp, place: str | socket.socket, *, grace: float, max_connections: int = 2000
    ) -> None:
        """`place`: an address, which is bound at once, or a listening socket, which the server then owns.

        `grace`: seconds for requests in flight to finish.
        """
        demand_loopback(place if isinstance(place, str) else address_of(place))
        self._socket = listen(place) if isinstance(place, str) else place
        self.address = address_of(self._socket)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=max_connections,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=max(1, ceil(grace)),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none: the host owns SIGTERM and SIGINT."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts listening and tells `start()`."""
        await super().startup(sockets)
        self._ready.set()

    async def start(self) -> asyncio.Task[None]:
        """Returns the task of the server once it accepts connections."""
        self._task = asyncio.create_task(self.serve([self._socket]), name=f"http {self.address}")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._task

    async def stop(self) -> None:
        """Stops accepting, lets requests in flight finish within the grace, and returns."""
        self.should_exit = True
        if self._task is not None:
            await asyncio.wait({self._task})
        self._socket.close()
