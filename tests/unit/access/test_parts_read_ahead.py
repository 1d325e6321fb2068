"""Reading ahead: the next part is there when it is needed, and never more than the bound is held or under way."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_access.domain.model import Lease
from callward_access.manifests import Manifests
from callward_access.read_ahead import MAX_READS, ReadAhead, runs
from callward_access.sealed_media import SealedMedia
from callward_common.objects.store import StoreUnavailable
from tests.unit.access.sealing import KEY, RENDITION, TENANT, MemoryObjects, Sealed, noise, seal

UNTIL = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LIMIT = 262_144


class SlowObjects(MemoryObjects):
    """A store that answers when a test lets it. `under_way` has the part numbers that were asked for, unanswered."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: dict[str, asyncio.Event] = {}
        self.under_way: list[str] = []
        self.cancelled: list[str] = []
        self.held = False

    async def read(
        self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        number = key.split("/")[1]
        self.under_way.append(number)
        try:
            if self.held:
                await self.gates.setdefault(number, asyncio.Event()).wait()
            async for chunk in super().read(key, version_id, start=start, stop=stop):
                yield chunk
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.under_way.remove(number)

    def let(self, number: int) -> None:
        self.gates.setdefault(str(number), asyncio.Event()).set()


def lease_of(sealed: Sealed) -> Lease:
    return Lease(KEY, sealed.registered, UNTIL)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_next_part_is_on_its_way_while_one_is_played() -> None:
    objects = SlowObjects()
    objects.held = True
    sealed = seal(objects, *(noise(60_000, number) for number in range(3)))
    reading = SealedMedia(objects, known_parts=10, read_ahead=LIMIT).open(
        TENANT, sealed.recording, RENDITION, 0, 180_000
    )
    first = asyncio.create_task(reading.next(lease_of(sealed)))
    await settled()
    # Nobody waits for more than the first byte needs.
    assert objects.under_way == ["0"]
    objects.let(0)
    assert len(await first) == 60_000
    await settled()
    assert objects.under_way == ["1", "2"]
    objects.let(1)
    objects.let(2)
    await settled()
    # Both are there before they are asked for: no border makes anybody wait.
    assert objects.under_way == []
    assert len(await reading.next(lease_of(sealed))) == 60_000
    await reading.close()


async def test_what_is_under_way_ends_with_the_reading() -> None:
    objects = SlowObjects()
    sealed = seal(objects, *(noise(60_000, number) for number in range(4)))
    reading = SealedMedia(objects, known_parts=10, read_ahead=LIMIT).open(
        TENANT, sealed.recording, RENDITION, 0, 240_000
    )
    objects.held = True
    objects.let(0)
    await reading.next(lease_of(sealed))
    await settled()
    assert objects.under_way == ["1", "2", "3"]
    await reading.close()
    assert objects.under_way == []
    assert objects.cancelled == ["1", "2", "3"]
    assert await reading.next(lease_of(sealed)) == b""


async def test_a_reader_that_is_cancelled_leaves_nothing_under_way() -> None:
    objects = SlowObjects()
    objects.held = True
    sealed = seal(objects, *(noise(60_000, number) for number in range(2)))
    reading = SealedMedia(objects, known_parts=10, read_ahead=LIMIT).open(
        TENANT, sealed.recording, RENDITION, 0, 120_000
    )
    waiting = asyncio.create_task(reading.next(lease_of(sealed)))
    await settled()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await reading.close()
    assert objects.under_way == []


async def test_a_store_that_is_away_is_named_when_its_part_is_due() -> None:
    class Away(MemoryObjects):
        async def read(
            self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
        ) -> AsyncIterator[bytes]:
            if "/1/" in key:
                raise StoreUnavailable("The store does not answer.")
            async for chunk in super().read(key, version_id, start=start, stop=stop):
                yield chunk

    objects = Away()
    sealed = seal(objects, noise(10, 0), noise(10, 1))
    reading = SealedMedia(objects, known_parts=10, read_ahead=LIMIT).open(
        TENANT, sealed.recording, RENDITION, 0, 20
    )
    assert await reading.next(lease_of(sealed)) == noise(10, 0)
    await settled()
    with pytest.raises(StoreUnavailable):
        await reading.next(lease_of(sealed))
    await reading.close()


@given(
    sizes=st.lists(st.sampled_from([1, 57, 65_480, 65_481, 300_000]), min_size=1, max_size=12),
    limit=st.sampled_from([0, 1000, 65_536, LIMIT, 1_000_000]),
)
async def test_no_more_than_the_bound_is_ahead(sizes: list[int], limit: int) -> None:
    objects = SlowObjects()
    parts = [noise(size, number) for number, size in enumerate(sizes)]
    sealed = seal(objects, *parts)
    track = Manifests(1000).track(TENANT, sealed.recording, RENDITION)
    assert track is not None
    ahead = ReadAhead(objects, runs(track, 0, sum(sizes)), limit)
    taken = 0
    while (found := await ahead.next()) is not None:
        run, body = found
        assert len(body) == run.size <= 4 * 65_536
        taken += run.plan.take
        waiting = [each for each, _ in ahead._reads]
        assert sum(each.size for each in waiting) <= limit
        assert len(waiting) <= MAX_READS
        assert len(objects.under_way) <= MAX_READS
        await settled()
    assert taken == sum(sizes)
    await ahead.close()


@given(st.lists(st.sampled_from([1, 2, 65_480, 65_481, 131_000, 400_000]), min_size=1, max_size=8), st.data())
async def test_runs_cover_a_range_once_and_read_no_segment_beside_it(
    sizes: list[int], data: st.DataObject
) -> None:
    sealed = seal(MemoryObjects(), *(noise(size, number) for number, size in enumerate(sizes)))
    track = Manifests(1000).track(TENANT, sealed.recording, RENDITION)
    assert track is not None
    start = data.draw(st.integers(0, sum(sizes) - 1))
    stop = data.draw(st.integers(start + 1, sum(sizes)))
    found = list(runs(track, start, stop))
    assert sum(run.plan.take for run in found) == stop - start
    assert found[0].plan.first_segment == found[0].plan.last_segment
    last: tuple[int, int] = (-1, 0)
    for run in found:
        assert (run.number, run.plan.first_segment) > last
        assert run.plan.take > 0
        last = (run.number, run.plan.last_segment)
