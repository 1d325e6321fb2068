"""Ciphertext from the store, a little ahead of what is being decrypted: part borders do not stall playback."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from callward_access.domain.errors import IntegrityFailure
from callward_access.manifests import Part, Track
from callward_common.objects.store import ObjectMissing, ObjectStore
from callward_crypto.streaming import HEADER_SIZE, PLAINTEXT_SEGMENT_SIZE, Plan, locate, segment_range

#: Whole segments that one read takes at most. The first takes one: nobody waits for more than the first byte needs.
MAX_SEGMENTS = 4
#: Reads under way at once: many small parts are fetched side by side, and no store is flooded for one listener.
MAX_READS = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Segments of one part that are read at once; `plan` says which bytes, and which of their plaintext is wanted."""

    number: int
    part: Part
    plan: Plan

    @property
    def size(self) -> int:
        """The ciphertext's size in bytes."""
        return self.plan.object_stop - self.plan.object_start


def runs(track: Track, start: int, stop: int) -> Iterator[Run]:
    """Yield what to read, in order, for the plaintext from `start` to before `stop`; both lie inside the track.

    An empty rendition has one run: that nothing was sealed is checked like anything else.
    """
    number, position, segments = track.part_at(start), start, 1
    while number < len(track.parts) and (position < stop or stop == 0):
        part, begin = track.parts[number], track.begins[number]
        run = _run(number, part, position - begin, min(stop, track.begins[number + 1]) - begin, segments)
        yield run
        position += run.plan.take
        number += position >= track.begins[number + 1]
        segments = min(2 * segments, MAX_SEGMENTS)


def _run(number: int, part: Part, start: int, stop: int, segments: int) -> Run:
    """Plan at most so many segments of a part from plaintext byte `start` of it, and none past `stop`."""
    first, skip = locate(start)
    last = min(first + segments, 1 + locate(max(start, stop - 1))[0]) - 1
    end = min(stop, (last + 1) * PLAINTEXT_SEGMENT_SIZE - HEADER_SIZE)
    return Run(
        number, part, Plan(first, last, *segment_range(first, last, part.ciphertext_size), skip, end - start)
    )


class ReadAhead:
    """Reads runs in order, and those that follow while one is in hand: at most `limit` bytes and MAX_READS reads.

    It holds ciphertext only. A run that cannot be read fails when its turn comes, not before.
    """

    def __init__(self, objects: ObjectStore, wanted: Iterator[Run], limit: int) -> None:
        """`limit`: bytes ahead of the run in hand; 0 reads nothing ahead."""
        self._objects = objects
        self._wanted = wanted
        self._limit = limit
        self._next = next(wanted, None)
        self._reads: deque[tuple[Run, asyncio.Task[bytearray]]] = deque()

    async def next(self) -> tuple[Run, bytearray] | None:
        """Return the next run with exactly its bytes, or None after the last. Raises IntegrityFailure."""
        if not self._reads and self._next is not None:
            self._begin(self._next)
        if not self._reads:
            return None
        run, task = self._reads[0]
        body = await task
        self._reads.popleft()
        self._fill()
        return run, body

    async def close(self) -> None:
        """Stop every read that is under way, and wait for its end."""
        tasks = [task for _, task in self._reads]
        self._reads.clear()
        self._next = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        ahead = sum(run.size for run, _ in self._reads)
        while (
            self._next is not None and len(self._reads) < MAX_READS and ahead + self._next.size <= self._limit
        ):
            ahead += self._next.size
            self._begin(self._next)

    def _begin(self, run: Run) -> None:
        self._reads.append((run, asyncio.create_task(self._read(run), name="read-ahead")))
        self._next = next(self._wanted, None)

    async def _read(self, run: Run) -> bytearray:
        part, plan, body = run.part, run.plan, bytearray()
        chunks = self._objects.read(
            part.object_key, part.version_id, start=plan.object_start, stop=plan.object_stop
        )
        try:
            async for chunk in chunks:
                body += chunk
                if len(body) > run.size:
                    raise IntegrityFailure("a part of the media gave more than was asked for")
        except ObjectMissing as error:
            raise IntegrityFailure("a part of the media is missing from the store") from error
        if len(body) < run.size:
            raise IntegrityFailure("a part of the media ends before its recorded size")
        return body
