"""How much memory uploads take: many at once, senders that stall, a store that is slow. The whole process is measured.

`callward dev` is one process with six services, so its peak (VmHWM) holds all of them; PostgreSQL's processes are
not in it.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.support.audio import header
from tests.support.dev_folder import dev_folder
from tests.support.doors import Client
from tests.support.journeys import consented_call
from tests.support.memory import MIB, high_water, resident
from tests.support.process import DevProcess, dev

UPLOADS, SIZE = 200, 8 * MIB
LIMIT = 400 * MIB
PIECE = 64 * 1024


@pytest.fixture(scope="module")
def process() -> Iterator[DevProcess]:
    with dev_folder() as folder, dev(folder) as started:
        yield started


class Sender:
    """One connection of many: sends one body, in pieces and with a pause in the middle if wanted."""

    def __init__(self, platform: Client, call_id: str, body: bytes, door: str) -> None:
        where = urlsplit(platform.base)
        self.host, self.port = where.hostname or "", where.port or 80
        self.body, self.status, self.answer = body, 0, b""
        own = "Upload-Complete: ?1" if door == "uploads" else f"Idempotency-Key: {secrets.token_hex(16)}"
        self.head = (
            f"POST /v1/{door}?call={call_id} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Authorization: Bearer {platform.token}\r\nContent-Type: audio/wav\r\n{own}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        ).encode()

    async def send(self, everybody_is_half_way: asyncio.Barrier | None = None) -> None:
        """Sends the body and reads the status of the answer; waits half-way for everybody else."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        answer = asyncio.create_task(self._read(reader))
        writer.write(self.head)
        try:
            for start in range(0, len(self.body), PIECE):
                if everybody_is_half_way is not None and start == len(self.body) // 2 // PIECE * PIECE:
                    await everybody_is_half_way.wait()
                writer.write(self.body[start : start + PIECE])
                await writer.drain()
        except ConnectionError:
            pass  # refused before it was whole: the answer says why
        await answer
        writer.close()
        # Interim answers (104) come before the one that counts.
        heads = [line for line in self.answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        self.status = int(heads[-1].split(b" ")[1]) if heads else 0

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Reads to the end; what came before a reset is kept."""
        with suppress(ConnectionError):
            while more := await reader.read(65536):
                self.answer += more


def body(size: int = SIZE) -> bytes:
    """A WAV file of exactly `size` bytes."""
    return header(size - 44) + secrets.token_bytes(size - 44)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("door", ["recordings", "uploads"])
def test_200_uploads_of_8_mib_at_once_stay_under_400_mib(
    process: DevProcess, door: str, record_property: Callable[[str, object], None]
) -> None:
    platform = process.wait_ready().call_platform()
    call_id, audio = consented_call(platform), body()
    idle = resident(process.process.pid)

    async def everybody() -> list[int]:
        half = asyncio.Barrier(UPLOADS)
        senders = [Sender(platform, call_id, audio, door) for _ in range(UPLOADS)]
        await asyncio.gather(*(sender.send(half) for sender in senders))
        return [sender.status for sender in senders]

    assert asyncio.run(everybody()) == [201] * UPLOADS
    peak = high_water(process.process.pid)
    record_property("peak_mib", peak // MIB)
    print(
        f"{door}: idle {idle / MIB:.0f} MiB, peak of {UPLOADS} uploads of 8 MiB at once {peak / MIB:.0f} MiB"
    )
    assert peak < LIMIT, f"{peak / MIB:.0f} MiB"
