"""A listening session: granted once, asked anew every thirty seconds, paced, and on record when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from callward_access.app.listening import MediaAnswer
from callward_access.app.playback import MediaStream
from callward_access.domain.errors import (
    AuditUnavailable,
    ConsentForbids,
    IntegrityFailure,
    PolicyForbids,
    RangeNotSatisfiable,
    RecordingNotFound,
    SessionNotFound,
)
from callward_access.domain.model import Recording
from callward_access.ports import Granted, Person, Served
from callward_common.errors import CallwardError, Forbidden, Unavailable
from tests.unit.access.scene import RULES, Scene, person
from tests.unit.access.sealing import noise, seal

SAM = person()
RATE = 16_000
#: A call of two minutes: the lead covers thirty seconds, the rest takes forty-five.
CALL = noise(120 * RATE)


async def opened(scene: Scene, content: bytes = CALL, pace: int = RATE) -> tuple[Recording, str]:
    parts = (part for part in (content[:100_000], content[100_000:]) if part)
    recording = scene.add(seal(scene.objects, *parts, pace=pace))
    session, _ = await scene.listening.open(SAM, recording.summary.recording_id, "HOPERAT")
    return recording, session.session_id


async def play(scene: Scene, session_id: str, header: str | None = None) -> tuple[MediaAnswer, MediaStream]:
    return await scene.listening.play(SAM, session_id, header, None)


async def drain(stream: MediaStream) -> bytes:
    try:
        return b"".join([piece async for piece in stream])
    finally:
        await stream.finish()


async def timed(scene: Scene, stream: MediaStream) -> AsyncIterator[tuple[float, bytes]]:
    async for piece in stream:
        yield scene.clock.monotonic(), piece


async def until_refused(
    scene: Scene,
    stream: MediaStream,
    error: type[CallwardError],
    taken: list[tuple[float, bytes]] | None = None,
) -> bytes:
    """Take pieces until the stream breaks off with the error; return what came. `taken` has the moments too."""
    taken = [] if taken is None else taken

    async def take() -> None:
        async for moment, piece in timed(scene, stream):
            taken.append((moment, piece))

    with pytest.raises(error):
        await take()
    await stream.finish()
    return b"".join(piece for _, piece in taken)


async def test_the_grant_is_on_record_and_states_the_most_that_can_be_heard() -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    (grant,) = scene.units.of(Granted)
    assert (grant.act, grant.purpose, grant.rendition) == ("listen", "HOPERAT", "original")
    assert (grant.session_id, grant.recording_id) == (session_id, recording.summary.recording_id)
    assert (grant.at_most, grant.decision_id) == (timedelta(seconds=120), "decision-1")
    assert grant.policies == ["supervisor-listens"]
    assert scene.keys.opened_at == []
    await play(scene, session_id)
    assert scene.keys.granted_before == [True]


async def test_the_whole_is_equal_and_never_faster_than_lead_and_twice_real_time() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    began, sent, content = scene.clock.monotonic(), 0, bytearray()
    _, stream = await play(scene, session_id)
    async for moment, piece in timed(scene, stream):
        sent, content = sent + len(piece), content + piece
        assert sent <= RATE * (30 + 2 * (moment - began)) + 1
    await stream.finish()
    assert bytes(content) == CALL
    assert scene.clock.monotonic() - began == pytest.approx(45, abs=1)
    (served,) = scene.units.of(Served)
    assert (served.first_byte, served.byte_count) == (0, len(CALL))


async def test_several_requests_share_one_pace() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    began = scene.clock.monotonic()
    for _ in range(4):
        _, stream = await play(scene, session_id, f"bytes=0-{30 * RATE - 1}")
        await drain(stream)
    assert scene.clock.monotonic() - began == pytest.approx(45, abs=1)


@pytest.mark.parametrize("pace", [RATE, 4_000])
async def test_no_piece_leaves_under_an_authorisation_of_thirty_seconds_or_more(pace: int) -> None:
    scene = Scene()
    _, session_id = await opened(scene, pace=pace)
    asked = scene.consent.asked
    _, stream = await play(scene, session_id)
    moments = [moment async for moment, _ in timed(scene, stream)]
    for moment in moments:
        assert any(0 <= moment - opened_at < 30 for opened_at in scene.keys.opened_at)
    assert scene.consent.asked - asked == len(scene.keys.opened_at) >= 2


async def test_a_client_that_takes_its_time_is_asked_for_again() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id)
    async for _ in stream:
        scene.clock.advance(timedelta(seconds=31))
    await stream.finish()
    pieces = -(-len(CALL) // 65_520)
    assert len(scene.keys.opened_at) >= pieces - 2


async def test_a_short_lease_is_renewed_before_it_ends() -> None:
    scene = Scene()
    scene.keys.lease_for = timedelta(seconds=7)
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id)
    moments = [moment async for moment, _ in timed(scene, stream)]
    assert all(any(0 <= moment - at < 7 for at in scene.keys.opened_at) for moment in moments)


async def test_consent_revoked_mid_stream_ends_it_within_thirty_seconds() -> None:
    scene = Scene()
    recording, session_id = await opened(scene, pace=4_000)
    _, stream = await play(scene, session_id)
    revoked_at = scene.clock.monotonic() + 10

    async def sleep(seconds: float) -> None:
        await scene.sleep(seconds)
        if scene.clock.monotonic() >= revoked_at:
            scene.consent.outcome = "revoked"

    scene.listening._player._sleep = sleep
    taken: list[tuple[float, bytes]] = []
    came = await until_refused(scene, stream, ConsentForbids, taken)
    assert taken[-1][0] > revoked_at
    assert taken[-1][0] < revoked_at + 30
    assert [denial.reason for denial in scene.denials()] == ["consent-forbids"]
    (served,) = scene.units.of(Served)
    assert served.byte_count == len(came) < len(CALL)
    assert served.recording_id == recording.summary.recording_id


def audit_stands_still(scene: Scene, recording: Recording) -> None:
    scene.freshness.answer = None


def quarantined(scene: Scene, recording: Recording) -> None:
    scene.change(recording, state="quarantined")


def destroyed(scene: Scene, recording: Recording) -> None:
    scene.recordings.known.clear()


def key_refused(scene: Scene, recording: Recording) -> None:
    scene.keys.failing = Forbidden("The key is marked for destruction.")


def expired(scene: Scene, recording: Recording) -> None:
    scene.clock.advance(timedelta(hours=1))


Change = Callable[[Scene, Recording], None]
ENDS: list[tuple[Change, type[CallwardError]]] = [
    (audit_stands_still, AuditUnavailable),
    (quarantined, PolicyForbids),
    (destroyed, RecordingNotFound),
    (key_refused, Forbidden),
    (expired, SessionNotFound),
]


@pytest.mark.parametrize(("change", "error"), ENDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_whatever_takes_the_right_away_ends_the_stream(
    change: Change, error: type[CallwardError]
) -> None:
    scene = Scene()
    recording, session_id = await opened(scene, pace=4_000)
    _, stream = await play(scene, session_id)
    change(scene, recording)
    came = await until_refused(scene, stream, error)
    assert 0 < len(came) < len(CALL)
    assert [served.byte_count for served in scene.units.of(Served)] == [len(came)]
    if error is not Forbidden:  # key-management puts its own refusal on record
        assert [denial.reason for denial in scene.denials()] == [error.type]


@pytest.mark.parametrize(("change", "error"), ENDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_before_the_first_byte_it_is_an_answer_and_nothing_was_served(
    change: Change, error: type[CallwardError]
) -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    change(scene, recording)
    with pytest.raises(error):
        await play(scene, session_id)
    assert scene.units.of(Served) == []
    assert scene.objects.read_ranges == []


async def test_closing_a_session_ends_what_is_being_played_at_once() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id)
    await scene.listening.close(SAM, session_id)
    # The piece that was in the hand already, and nothing more.
    came = await until_refused(scene, stream, SessionNotFound)
    assert len(came) <= 65_520
    assert scene.units.of(Served)[0].byte_count == len(came)


async def test_a_client_that_goes_away_leaves_what_was_sent_on_record_once() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id, "bytes=1000-")
    pieces = aiter(stream)
    sent = len(await anext(pieces)) + len(await anext(pieces))
    await stream.finish()
    await stream.finish()
    (served,) = scene.units.of(Served)
    assert (served.first_byte, served.byte_count, served.session_id) == (1000, sent, session_id)


async def test_a_request_that_is_cancelled_in_a_wait_is_on_record_as_well() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id)
    waiting = asyncio.Event()

    async def forever(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    scene.listening._player._sleep = forever
    task = asyncio.create_task(drain(stream))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (served,) = scene.units.of(Served)
    assert 0 < served.byte_count <= 30 * RATE + 65_520


async def test_what_was_served_and_cannot_be_recorded_breaks_nothing() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await play(scene, session_id, "bytes=0-9")
    scene.units.failing = Unavailable("The database does not answer.")
    assert await drain(stream) == CALL[:10]


@pytest.mark.parametrize(
    "who",
    [person("olga"), person(issuer="https://elsewhere.example"), person("sam", tenant="other-clinic")],
    ids=["another-person", "same-name-elsewhere", "another-tenant"],
)
async def test_anothers_session_is_not_found(who: Person) -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    attempts: tuple[Awaitable[object], ...] = (
        scene.listening.play(who, session_id, None, None),
        scene.listening.describe(who, session_id),
        scene.listening.close(who, session_id),
    )
    for attempt in attempts:
        with pytest.raises(SessionNotFound):
            await attempt
    assert [(d.reason, d.recording_id) for d in scene.denials()] == [("listening-session-not-found", "")] * 3
    _, stream = await play(scene, session_id, "bytes=0-0")
    assert await drain(stream) == CALL[:1]


@pytest.mark.parametrize(
    "session_id", ["01938c3a-7b1e-7c55-9d0e-5a1f6f7b8c9d", "nonsense", "+15125550199", ""]
)
async def test_a_session_that_never_was_is_not_found(session_id: str) -> None:
    scene = Scene()
    with pytest.raises(SessionNotFound):
        await play(scene, session_id)
    assert len(scene.denials()) == 1
    assert not session_id or session_id not in repr(scene.denials())


async def test_a_closed_or_expired_session_is_not_found() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    await scene.listening.close(SAM, session_id)
    with pytest.raises(SessionNotFound):
        await play(scene, session_id)
    _, other = await opened(scene)
    scene.clock.advance(RULES.session_lifetime)
    with pytest.raises(SessionNotFound):
        await play(scene, other)


async def test_a_range_and_its_description() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    answer, stream = await play(scene, session_id, "bytes=48000-95999")
    assert await drain(stream) == CALL[48_000:96_000]
    described = await scene.listening.describe(SAM, session_id)
    assert (described.selected.length, described.selected.partial) == (len(CALL), False)
    assert (described.etag, described.media_type) == (answer.etag, "audio/wav")
    with pytest.raises(RangeNotSatisfiable):
        await play(scene, session_id, f"bytes={len(CALL)}-")
    # To describe, or to refuse a range, nothing is opened.
    assert len(scene.keys.opened_at) == 1


async def test_a_manifest_changed_after_sealing_plays_nothing_and_is_on_record() -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    other = seal(scene.objects, CALL)
    swapped = replace(recording, manifest=other.recording.manifest)
    scene.recordings.known["mercy-general", recording.summary.recording_id] = swapped
    with pytest.raises(IntegrityFailure):
        await play(scene, session_id)
    (denial,) = scene.denials()
    assert (denial.reason, denial.recording_id) == ("integrity-failure", recording.summary.recording_id)
    assert scene.objects.read_ranges == []
    assert scene.units.of(Served) == []


async def test_an_object_changed_after_the_first_slice_breaks_the_stream_off_with_right_bytes_only() -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    key = f"{recording.summary.recording_id}/1/first"
    content = bytearray(scene.objects.content[key])
    content[-1] ^= 1
    scene.objects.content[key] = bytes(content)
    _, stream = await play(scene, session_id)
    found = await until_refused(scene, stream, IntegrityFailure)
    assert CALL.startswith(found)
    assert len(found) > len(CALL) - 4 * 65_520
    assert [denial.reason for denial in scene.denials()] == ["integrity-failure"]


async def test_only_so_many_sessions_are_remembered() -> None:
    scene = Scene(max_sessions=3)
    for _ in range(5):
        _, session_id = await opened(scene, noise(200))
        _, stream = await play(scene, session_id)
        await drain(stream)
    assert len(scene.remembered) == 3
