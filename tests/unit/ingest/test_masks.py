"""What uploads come to know of marks, at once or within a second, and what sealing makes of them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from callward_common.errors import Unavailable
from callward_ingest.app.marks_sealing import LastLook, SealedMarks
from callward_ingest.app.masks import Masks
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.errors import UploadNotSealed
from callward_ingest.domain.masking import Masker, MaskingCode
from callward_ingest.domain.media import SampleLayout
from callward_ingest.domain.recordings import Measured
from callward_ingest.domain.uploads import Prepared, Upload
from tests.support.clock import START
from tests.unit.ingest.marks_scene import CALL, Scene
from tests.unit.ingest.scene import ACTOR, TENANT


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_running_upload_sees_marks_of_its_own_process_at_once(scene: Scene) -> None:
    watch = await scene.masks.watch(TENANT, CALL, None)
    assert (watch(), watch.position) == ((), 0)
    await scene.mark("mask", 1)
    await watch.refresh()
    assert [each.kind for each in watch()] == ["mask"]
    assert watch.position == 1


async def test_marks_of_another_process_are_seen_within_a_second(scene: Scene) -> None:
    watch = await scene.masks.watch(TENANT, CALL, None)
    elsewhere = scene.masks
    scene.marks._masks = Masks(scene.units, scene.clock, longest=scene.limits.max_mask)
    await scene.mark("mask", 1)
    assert scene.marks._masks is not elsewhere
    await watch.refresh()
    assert watch() == ()
    scene.clock.advance(timedelta(seconds=1))
    await watch.refresh()
    assert len(watch()) == 1
    await scene.mark("unmask", 2)
    await watch.refresh()
    assert watch()[0].closed_at is None
    await watch.refresh(force=True)
    assert watch()[0].closed_at is not None


async def test_a_call_without_marks_is_looked_at_once_a_second(scene: Scene) -> None:
    begun = 0
    begin = scene.units.begin

    def counted(tenant: str) -> Any:
        nonlocal begun
        begun += 1
        return begin(tenant)

    scene.units.begin = counted  # type: ignore[method-assign]
    watches = [await scene.masks.watch(TENANT, CALL, None) for _ in range(5)]
    for _ in range(100):
        await asyncio.gather(*(watch.refresh() for watch in watches))
    assert begun == 1
    scene.clock.advance(timedelta(seconds=1))
    await asyncio.gather(*(watch.refresh() for watch in watches))
    assert begun == 2


async def test_what_cannot_be_read_stops_the_upload_and_is_read_again(scene: Scene) -> None:
    watch = await scene.masks.watch(TENANT, CALL, None)
    await scene.mark("mask", 1)
    scene.units.unreachable = True
    with pytest.raises(Unavailable):
        await watch.refresh()
    scene.units.unreachable = False
    await watch.refresh()
    assert len(watch()) == 1


async def test_what_nobody_watches_is_forgotten(scene: Scene) -> None:
    watch = await scene.masks.watch(TENANT, CALL, None)
    assert len(scene.masks._calls) == 1
    del watch
    assert len(scene.masks._calls) == 0


async def test_a_live_recording_is_silenced_from_the_mark_on(scene: Scene) -> None:
    watch = await scene.masks.watch(TENANT, CALL, None)
    masker, second = Masker(START, watch), b"\x11" * 8000

    async def take() -> bytes:
        await watch.refresh()
        return masker.apply(second, SampleLayout(0, 1, 8000, b"\xff"))

    assert await take() == second
    await scene.mark("mask", 1.5)
    assert await take() == second[:4000] + b"\xff" * 4000
    await scene.mark("unmask", 2.25)
    assert await take() == b"\xff" * 2000 + second[:6000]
    report = masker.finish()
    assert (report.ranges, report.reasons, report.findings) == (((1_500_000, 2_250_000),), (), ())
    await scene.mark("mask", 0.5, until=START + timedelta(seconds=0.75))
    await watch.refresh(force=True)
    assert watch.position == 3
    assert masker.finish().reasons == (MaskingCode.mask_not_applied,)


def sealing_at(second: float | None, *masked: tuple[int, int]) -> tuple[Upload, Prepared]:
    """Half a minute of sound that is about to be sealed; `second` None: nobody said when it starts."""
    clock = None if second is None else START + timedelta(seconds=second)
    plan = Plan("medical-record", START, START, "22 CCR § 70751(c)", "policy/1")
    upload = Upload(
        upload_id="r-1",
        tenant=TENANT,
        actor=ACTOR,
        call_id=CALL,
        queue="cardiology",
        object_key="xx/xx",
        resumable=True,
        media_type="audio/wav",
        plan=plan,
        commitment=None,
        fingerprint_day=START.date(),
        created_at=START,
        expires_at=START,
        clock_started_at=clock,
    )
    media = Measured("audio/wav", "pcm_mulaw", 1, 8000, timedelta(seconds=30), 8000, 240_044, ())
    return upload, Prepared(b"m", b"h", "key", "version", "k", media, (), masked)


async def test_a_mark_that_comes_while_a_recording_is_sealed_is_not_lost(scene: Scene) -> None:
    sealing = SealedMarks(scene.units, longest=scene.limits.max_mask)
    clear = await sealing.look(*sealing_at(-60))
    assert clear == LastLook(0, ())
    async with scene.units.begin(TENANT) as unit:
        await sealing.hold(unit, CALL, clear)
    await scene.mark("mask", -50, until=START - timedelta(seconds=45))
    async with scene.units.begin(TENANT) as unit:
        with pytest.raises(UploadNotSealed):
            await sealing.hold(unit, CALL, clear)
    again = await sealing.look(*sealing_at(-60))
    assert again == LastLook(1, ("mask-not-applied",))
    async with scene.units.begin(TENANT) as unit:
        await sealing.hold(unit, CALL, again)
    assert await sealing.look(*sealing_at(-60, (10_000_000, 15_000_000))) == LastLook(1, ())
    assert await sealing.look(*sealing_at(-45)) == LastLook(1, ())
    assert (await sealing.look(*sealing_at(None))).reasons == ("mask-not-applied",)
