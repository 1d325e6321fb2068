"""Large and long requests over a bare socket: sent in pieces, broken off, or fed for as long as a call lasts."""

import select
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.doors import Client


def wav_of(audio: bytes, *, rate: int, channels: int, bits: int) -> bytes:
    """Gives a WAV file of the audio, cut to whole frames, with a true header."""
    block = channels * bits // 8
    size = len(audio) // block * block
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * block, block, bits)
    riff = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form
    return riff + b"data" + struct.pack("<I", size) + audio[:size]


@dataclass(frozen=True)
class RawAnswer:
    """One answer: the final one (with its body) or an interim one (1xx)."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class RawRequest:
    """One request on a connection of its own. Leaving the block closes the connection, whatever was announced."""

    client: Client
    method: str
    path: str
    headers: Mapping[str, str]
    #: The Content-Length; None sends chunks (RFC 9112 section 7.1).
    announced: int | None
    timeout: float = 60.0
    #: What came before the final answer.
    interim: list[RawAnswer] = field(default_factory=list)
    _received: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Self:
        where = urlsplit(self.client.base)
        self.socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=self.timeout)
        length = (
            "Transfer-Encoding: chunked" if self.announced is None else f"Content-Length: {self.announced}"
        )
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {where.netloc}",
            f"Authorization: Bearer {self.client.token}",
            length,
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends a piece of the body."""
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data) if self.announced is None else data)

    def end(self) -> None:
        """Ends a body of chunks."""
        self.socket.sendall(b"0\r\n\r\n")

    def answer(self) -> RawAnswer:
        """Waits for the final answer; interim ones on the way are kept. Status 0: the server hung up without one."""
        while True:
            found = self._next()
            if found is None:
                return RawAnswer(0, {})
            if found.status >= 200:
                return found
            self.interim.append(found)

    def send_until(self, wanted: Callable[[RawAnswer], bool], pieces: Iterator[bytes], every: float) -> None:
        """Sends a piece every so many seconds until an interim answer is as wanted."""
        while not any(wanted(each) for each in self.interim):
            self.send(next(pieces))
            if select.select([self.socket], [], [], every)[0]:
                found = self._next()
                assert found is not None
                assert found.status < 200, found
                self.interim.append(found)

    def some_of_the_body(self, at_least: int) -> bytearray:
        """Waits for that many bytes of the final answer's body and returns what there is of it."""
        assert self._fill(lambda: b"\r\n\r\n" in self._received)
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), head
        self._received = bytearray(rest)
        assert self._fill(lambda: len(self._received) >= at_least)
        return self._received

    def _next(self) -> RawAnswer | None:
        if not self._fill(lambda: b"\r\n\r\n" in self._received):
            return None
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._received = bytearray(rest)
        size = 0 if status < 200 or status == 204 else int(headers.get("content-length", "0"))
        self._fill(lambda: len(self._received) >= size)
        body, self._received = bytes(self._received[:size]), self._received[size:]
        return RawAnswer(status, headers, body)

    def _fill(self, enough: Callable[[], bool]) -> bool:
        while not enough():
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return False
            if not more:
                return False
            self._received += more
        return True
