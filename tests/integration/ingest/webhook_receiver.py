"""Receivers of webhooks as they are met outside: good, slow, rude, hostile. Real sockets, scripted answers."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[["Received", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A receiver on loopback. `behaviours` are used up one by one, the last one stays."""

    port: int = 0
    behaviours: list[Behaviour] = field(default_factory=list)
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def until(self, count: int) -> None:
        """Waits until that many requests have arrived."""
        async with asyncio.timeout(20):
            while len(self.requests) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(Received(line, headers, body))
            self.arrived.set()
            behaviour = self.behaviours[0] if len(self.behaviours) == 1 else self.behaviours.pop(0)
            await behaviour(self.requests[-1], writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller went away: what it left is what a test looks at
        finally:
            self.open_now -= 1
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@asynccontextmanager
async def receiver(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens while the block lasts. Without behaviours it says 204."""
    made = Receiver(behaviours=list(behaviours) or [answers(204)])
    handlers: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await made.serve(reader, writer)
        finally:
            handlers.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tuple(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def answers(status: int, **headers: str) -> Behaviour:
    """Answers with a status and nothing else."""

    async def behave(_: Received, writer: asyncio.StreamWriter) -> None:
        lines = [
            f"HTTP/1.1 {status} X",
            "Content-Length: 0",
            *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()

    return behave


def hangs(until: asyncio.Event | None = None) -> Behaviour:
    """Takes the request and says nothing, or says 204 when the event comes."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        await (until or asyncio.Event()).wait()
        await answers(204)(received, writer)

    return behave


async def closes(_: Received, writer: asyncio.StreamWriter) -> None:
    """Closes without an answer."""


async def drips_headers(_: Received, writer: asyncio.StreamWriter) -> None:
    """Sends its head one byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)  # this is the behaviour itself


async def drips_body(_: Received, writer: asyncio.StreamWriter) -> None:
    """Says 200, then sends its body one byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)  # this is the behaviour itself


async def informs_for_ever(_: Received, writer: asyncio.StreamWriter) -> None:
    """Sends interim responses without an end."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)  # this is the behaviour itself


class Flood:
    """Answers with 10 GB, and counts what left."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.sent = status, 0

    async def __call__(self, _: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 10000000000\r\n\r\n".encode())
        chunk = b"x" * 65536
        while self.sent < 10_000_000_000:
            writer.write(chunk)
            await writer.drain()
            self.sent += len(chunk)


async def endless_header(_: Received, writer: asyncio.StreamWriter) -> None:
    """Sends one header of any length, as fast as it can."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def talks_nonsense(_: Received, writer: asyncio.StreamWriter) -> None:
    """Does not speak HTTP."""
    writer.write(b"\x00\x01\x02 I am no web server\r\n\r\n")
    await writer.drain()
