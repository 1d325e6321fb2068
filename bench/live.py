"""T7: calls that are sent while they are spoken, many at once: 16 kB/s each, in chunks of 0.2 s."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bench import harness, sides
from bench.harness import Row
from bench.payloads import wav

#: G.711 in two channels, or 16 bits at 8 kHz in one: bytes a second (design target T7).
RATE: Final = 16_000
CHUNK_SECONDS: Final = 0.2
#: Seconds between the begins of calls, and from the last begin to what is measured.
BEGIN_EVERY: Final = 0.3
SETTLE: Final = 5.0
_CHUNK: Final = int(RATE * CHUNK_SECONDS)


@dataclass
class Call:
    """One live call: when it began, what was acknowledged when, and how it ended."""

    begun: float = 0.0
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    status: int = 0

    def behind(self) -> float:
        """Returns the greatest age in seconds that a byte reached before it was acknowledged, the end included."""
        covered, worst = 0, 0.0
        for at, offset in self.acknowledged:
            worst = max(worst, at - self.begun - covered / RATE)
            covered = offset
        return worst


@dataclass
class Window:
    """The time in which every call is under way: what it has cost, and the memory at its end."""

    cpu: float = 0.0
    database: float = 0.0
    memory: int = 0


def measure(sealed: sides.Sealed, calls: int, seconds: float) -> list[Row]:
    """Lets `calls` begin one after the other, and measures `seconds` in which all of them are under way.

    Beginning and sealing a call cost the same whatever its length: bench.ingest measures them as small uploads.
    """
    token = sealed.callward.call_platform().token or ""
    idle, before = sealed.idle_cores(), sealed.memory("VmRSS")
    begins = calls * BEGIN_EVERY
    body = wav(int(RATE * (begins + SETTLE + seconds)))
    window, done = asyncio.run(_all(sealed, token, body, calls, seconds))
    failed = [call.status for call in done if call.status != 201]
    if failed:
        raise SystemExit(f"{len(failed)} of {calls} live calls failed, the first with {failed[0]}")
    per_call_second = (window.cpu - idle * seconds) / (calls * seconds)
    behind = [call.behind() for call in done]
    name = f"{calls} live calls"
    note = f"{idle:.2f} cores when idle are not in it"
    return [
        Row(
            f"{name}: T7 CPU of the platform",
            "µs per call and second",
            [per_call_second * 1e6],
            "≤ 200",
            note,
            0,
        ),
        Row(f"{name}: T7 calls a core", "calls", [1 / per_call_second], "≥ 5,000", digits=0),
        Row(
            f"{name}: CPU of PostgreSQL beside it",
            "µs per call and second",
            [1e6 * window.database / (calls * seconds)],
            digits=0,
        ),
        Row(
            f"{name}: T7 memory", "KiB per call", [(window.memory - before) / calls / 1024], "≤ 256", digits=0
        ),
        Row(f"{name}: T7 acknowledged behind, by call", "s", behind, "≤ 20"),
        Row(f"{name}: T7 acknowledged behind, p99", "s", [harness.quantile(behind, 0.99)], "≤ 20"),
    ]


async def _all(
    sealed: sides.Sealed, token: str, body: bytes, calls: int, seconds: float
) -> tuple[Window, Sequence[Call]]:
    done, window = [Call() for _ in range(calls)], Window()
    running = asyncio.gather(
        *(_send(sealed, token, body, call, number * BEGIN_EVERY) for number, call in enumerate(done))
    )
    await asyncio.sleep(calls * BEGIN_EVERY + SETTLE)
    window.cpu, window.database = -sealed.cpu(), -sealed.database_cpu()
    await asyncio.sleep(seconds)
    window.cpu, window.database = window.cpu + sealed.cpu(), window.database + sealed.database_cpu()
    window.memory = sealed.memory("VmRSS")
    await running
    return window, done


async def _send(sealed: sides.Sealed, token: str, body: bytes, call: Call, wait: float) -> None:
    await asyncio.sleep(wait)
    where = urlsplit(sealed.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = (
        f"POST /v1/uploads?call={sealed.call_id} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n"
        "Upload-Draft-Interop-Version: 8\r\nUpload-Complete: ?1\r\n\r\n"
    )
    writer.write(head.encode())
    call.begun = time.perf_counter()
    answers = asyncio.create_task(_answers(reader, call, len(body)))
    for number, start in enumerate(range(0, len(body), _CHUNK)):
        # By the clock, not by a sleep per chunk: a call does not get longer because a machine is slow.
        await asyncio.sleep(max(0.0, call.begun + number * CHUNK_SECONDS - time.perf_counter()))
        chunk = body[start : start + _CHUNK]
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()
        if answers.done():
            break
    writer.write(b"0\r\n\r\n")
    await answers
    writer.close()


async def _answers(reader: asyncio.StreamReader, call: Call, size: int) -> None:
    """Reads interim answers, each of which may acknowledge an offset, up to the final one."""
    while not call.status:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        if "upload-offset" in headers:
            call.acknowledged.append((time.perf_counter(), int(headers["upload-offset"])))
        if status >= 200:
            call.status = status
            if status == 201:
                call.acknowledged.append((time.perf_counter(), size))
