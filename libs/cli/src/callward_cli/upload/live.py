"""Standard input as a source: sent while it comes, and kept in memory until it is acknowledged."""

import asyncio
import concurrent.futures
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.door import Piece, no_bytes
from callward_cli.upload.headers import Limits
from callward_cli.upload.sources import Moved
from callward_common.clock import Clock

READ: Final = 64 * 1024
#: An append ends at 8 MiB, or with 256 KiB once 5 s old, or with anything once 15 s old: as the platform's parts do.
MOST: Final = 8 * 1024 * 1024
SOME: Final = 256 * 1024
SOME_SECONDS: Final = 5.0
ANY_SECONDS: Final = 15.0
#: Reads that may wait to be sent while the connection is broken; past them the sender of standard input has to wait.
WAITING: Final = 128


class LiveSource:
    """Bytes that come once. At most MOST bytes are sent and not acknowledged, and WAITING reads are not sent."""

    def __init__(self, descriptor: int, clock: Clock, *, read: Callable[[int, int], bytes] = os.read) -> None:
        """`start` has to be called in the loop."""
        self.size: int | None = None
        self._descriptor, self._clock, self._read_from = descriptor, clock, read
        self._kept, self._kept_at = bytearray(), 0
        self._sha256, self._ended = hashlib.sha256(), False
        self._stopped = asyncio.Event()
        self._reads: asyncio.Queue[bytes | OSError] = asyncio.Queue(WAITING)

    def start(self) -> None:
        """Begin to read, in a thread of its own: a read cannot be interrupted, and must not keep the process."""
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read_all, args=(loop,), name="standard-input", daemon=True).start()

    def stop(self) -> None:
        """Take what was read so far for the whole."""
        self._stopped.set()

    @property
    def digest(self) -> str:
        """SHA-256 in hex of everything that was read so far."""
        return self._sha256.hexdigest()

    async def piece(self, offset: int, limits: Limits, moved: Moved) -> Piece:
        """Wait for the first byte, or the end, and return an append that takes more while it comes."""
        self.acknowledged(offset)
        if not self._kept and not self._ended:
            await self._more(None)
        if not self._kept:
            return Piece(offset, no_bytes, 0, complete=True, length=offset)
        most = min(MOST, limits.max_append or MOST)
        return Piece(offset, lambda: self._chunks(most, limits.min_append or 0, moved), None, complete=False)

    def acknowledged(self, offset: int) -> None:
        """Drop what is durable."""
        if not self._kept_at <= offset <= self._kept_at + len(self._kept):
            raise CommandError(
                "the platform stands at a place of standard input that is not kept here any more",
                Exit.platform,
            )
        del self._kept[: offset - self._kept_at]
        self._kept_at = offset

    async def _chunks(self, most: int, least: int, moved: Moved) -> AsyncIterator[bytes]:
        began, sent = self._clock.monotonic(), 0
        while sent < most:
            if sent < len(self._kept):
                chunk = bytes(self._kept[sent : min(sent + READ, most)])
                sent += len(chunk)
                yield chunk
                moved(self._kept_at + sent)
                continue
            age = self._clock.monotonic() - began
            limit = SOME_SECONDS if sent >= SOME else ANY_SECONDS
            if self._ended or (sent >= least and age >= limit):
                return
            await self._more(None if sent < least else limit - age)

    async def _more(self, seconds: float | None) -> None:
        """Take the next read into what is kept; returns without it after `seconds`, or at the end."""
        read = asyncio.ensure_future(self._reads.get())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({read, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if read.done():
                self._take(read.result())
            if self._stopped.is_set():
                for _ in range(self._reads.qsize()):
                    self._take(self._reads.get_nowait())
                self._ended = True
        finally:
            read.cancel()
            stopped.cancel()

    def _take(self, read: bytes | OSError) -> None:
        if isinstance(read, OSError):
            raise CommandError(f"standard input cannot be read: {read.strerror}", Exit.platform) from read
        self._ended = self._ended or not read
        self._sha256.update(read)
        self._kept += read

    def _read_all(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            more = True
            while more:
                chunk = self._read_chunk()
                more = isinstance(chunk, bytes) and bool(chunk)
                asyncio.run_coroutine_threadsafe(self._reads.put(chunk), loop).result()
        except (RuntimeError, concurrent.futures.CancelledError):
            # The loop is closed or closing: nobody waits for these bytes any more.
            return

    def _read_chunk(self) -> bytes | OSError:
        try:
            return self._read_from(self._descriptor, READ)
        except OSError as error:
            return error
