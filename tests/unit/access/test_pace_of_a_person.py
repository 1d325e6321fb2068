"""The pace is a person's for a recording: neither many sessions nor waiting turns listening into downloading."""

import asyncio
from datetime import timedelta

import pytest

from callward_access.app.playback import MediaStream
from callward_access.domain.model import Recording
from callward_access.ports import Person
from tests.unit.access.scene import Scene, person
from tests.unit.access.sealing import noise, seal

SAM, OLGA = person(), person("olga")
RATE = 16_000
#: Two minutes: the lead covers thirty seconds, the rest takes forty-five.
CALL = noise(120 * RATE)


def added(scene: Scene) -> Recording:
    return scene.add(seal(scene.objects, CALL, pace=RATE))


async def session(scene: Scene, recording: Recording, who: Person = SAM) -> str:
    granted, _ = await scene.listening.open(who, recording.summary.recording_id, "HOPERAT")
    return granted.session_id


async def hear(scene: Scene, session_id: str, header: str | None = None, who: Person = SAM) -> bytes:
    _, stream = await scene.listening.play(who, session_id, header, None)
    return await drain(stream)


async def drain(stream: MediaStream) -> bytes:
    try:
        return b"".join([piece async for piece in stream])
    finally:
        await stream.finish()


@pytest.mark.parametrize("closing", [True, False])
async def test_many_sessions_of_a_recording_have_one_pace(closing: bool) -> None:
    scene = Scene()
    recording, began, came = added(scene), scene.clock.monotonic(), b""
    for start in range(0, 120, 30):
        session_id = await session(scene, recording)
        came += await hear(scene, session_id, f"bytes={start * RATE}-{(start + 30) * RATE - 1}")
        if closing:
            await scene.listening.close(SAM, session_id)
    assert came == CALL
    assert scene.clock.monotonic() - began == pytest.approx(45, abs=1)


async def test_sessions_at_once_have_one_pace_too() -> None:
    scene = Scene()
    recording, began = added(scene), scene.clock.monotonic()
    sessions = [await session(scene, recording) for _ in range(4)]
    ranges = [f"bytes={start * RATE}-{(start + 30) * RATE - 1}" for start in range(0, 120, 30)]
    heard = await asyncio.gather(*(hear(scene, *each) for each in zip(sessions, ranges, strict=True)))
    assert b"".join(heard) == CALL
    assert scene.clock.monotonic() - began >= 44


async def test_waiting_saves_nothing_up() -> None:
    scene = Scene()
    session_id = await session(scene, added(scene))
    await hear(scene, session_id, "bytes=0-0")
    scene.clock.advance(timedelta(minutes=30))
    began = scene.clock.monotonic()
    assert await hear(scene, session_id) == CALL
    assert scene.clock.monotonic() - began == pytest.approx(45, abs=1)


async def test_another_person_and_another_recording_have_their_own() -> None:
    scene = Scene()
    recording, other = added(scene), added(scene)
    began = scene.clock.monotonic()
    lead = f"bytes=0-{30 * RATE - 1}"
    await hear(scene, await session(scene, recording), lead)
    await hear(scene, await session(scene, other), lead)
    await hear(scene, await session(scene, recording, OLGA), lead, OLGA)
    assert scene.clock.monotonic() == began
    await hear(scene, await session(scene, recording), f"bytes=0-{2 * RATE - 1}")
    assert scene.clock.monotonic() - began == pytest.approx(1, abs=0.1)


async def test_only_so_many_paces_are_remembered() -> None:
    scene = Scene(max_sessions=3)
    for _ in range(5):
        await hear(scene, await session(scene, added(scene)), "bytes=0-0")
    assert len(scene.remembered._heard) == 3


async def test_a_key_is_not_kept_past_its_lease() -> None:
    scene = Scene()
    recording = added(scene)
    first = await session(scene, recording)
    await hear(scene, first, "bytes=0-0")
    assert scene.remembered.playing(first).lease is not None
    scene.clock.advance(timedelta(seconds=61))
    await session(scene, recording)
    assert scene.remembered.playing(first).lease is None
    await hear(scene, first, "bytes=0-0")
    assert len(scene.keys.opened_at) == 2
