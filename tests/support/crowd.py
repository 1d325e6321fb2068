"""Many senders at once, each patient: refused with 503 it waits as it is told and goes on where it was."""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from tests.support.doors import Client

_PIECE: Final = 64 * 1024
#: What a sender that waits for the others sends meanwhile, and how often, in seconds.
_SIGN_OF_LIFE, _EVERY = 4096, 2.0
_TRIES: Final = 60


class Crowd:
    """So many senders, all of which have to be half-way through their bodies at one moment."""

    def __init__(self, size: int) -> None:
        self.size, self.refused = size, 0
        self.most_at_once, self._half_way = 0, 0
        self.together = asyncio.Event()

    def arrive(self) -> None:
        """A sender is half-way."""
        self._half_way += 1
        self.most_at_once = max(self.most_at_once, self._half_way)
        if self._half_way == self.size:
            self.together.set()

    def leave(self) -> None:
        """A sender that was half-way is not under way any more."""
        self._half_way -= 1


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]


@dataclass
class Sender:
    """One sender of one body, through the door `recordings` or `uploads`."""

    platform: Client
    door: str
    call_id: str
    body: bytes = field(repr=False)
    crowd: Crowd
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    location: str = ""

    async def run(self) -> None:
        """Sends until the recording is taken; fails when that takes too many tries."""
        for _ in range(_TRIES):
            answer = await self._try()
            if answer.status == 201 or answer.headers.get("upload-complete") == "?1":
                return
            # 0: the connection broke before an answer; 409: the request before this one is not quite over.
            assert answer.status in (0, 204, 409, 429, 503), answer
            if answer.status != 204:
                self.crowd.refused += 1
                await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
        raise AssertionError("no end after many tries")

    async def _try(self) -> _Answer:
        if not self.location:
            own = {"Content-Type": "audio/wav", "Idempotency-Key": self.key}
            if self.door == "uploads":
                own |= {"Upload-Complete": "?1", "Upload-Draft-Interop-Version": "8"}
            return await self._request("POST", f"/v1/{self.door}?call={self.call_id}", own, self.body)
        looked = await self._request("HEAD", self.location, {}, b"")
        if looked.status != 204 or looked.headers.get("upload-complete") == "?1":
            return looked
        offset = int(looked.headers["upload-offset"])
        own = {
            "Content-Type": "application/partial-upload",
            "Upload-Offset": str(offset),
            "Upload-Complete": "?1",
        }
        return await self._request("PATCH", self.location, own, self.body[offset:])

    async def _request(self, method: str, path: str, own: Mapping[str, str], body: bytes) -> _Answer:
        where = urlsplit(self.platform.base)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        headers = {"Host": where.netloc, "Authorization": f"Bearer {self.platform.token}", **own}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [f"{method} {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "Connection: close"]
        writer.write("\r\n".join([*head, "", ""]).encode())
        answering = asyncio.create_task(self._answer(reader))
        await self._send(writer, body, answering)
        answer = await answering
        writer.close()
        return answer

    async def _send(
        self, writer: asyncio.StreamWriter, body: bytes, answering: asyncio.Task[_Answer]
    ) -> None:
        sent, half = 0, len(body) // 2
        arrived = False
        with suppress(ConnectionError):  # refused before it was whole: the answer says why
            while sent < len(body) and not answering.done():
                if sent >= half and not arrived:
                    self.crowd.arrive()
                    arrived = True
                waits = arrived and not self.crowd.together.is_set()
                piece = body[sent : sent + (_SIGN_OF_LIFE if waits else _PIECE)]
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                if waits:
                    await asyncio.wait(
                        {asyncio.ensure_future(self.crowd.together.wait()), answering},
                        timeout=_EVERY,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
        with suppress(ConnectionError):
            await answering
        if arrived:
            self.crowd.leave()

    async def _answer(self, reader: asyncio.StreamReader) -> _Answer:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            except (ConnectionError, asyncio.IncompleteReadError):
                return _Answer(0, {})
            pairs = (line.partition(":") for line in head[1:])
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            status = int(head[0].split(" ")[1])
            if "location" in headers and "/uploads/" in headers["location"]:
                self.location = headers["location"]
            if status >= 200:
                return _Answer(status, headers)
