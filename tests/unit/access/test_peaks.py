"""Peaks within a listening session: the rules of listening, a key and a grant of their own, no pace, and a limit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callward_access.app.listening import MediaAnswer
from callward_access.domain.errors import (
    AuditUnavailable,
    ConsentForbids,
    IntegrityFailure,
    NoSuchRendition,
    NotPlayable,
    PolicyForbids,
    RecordingNotFound,
    SessionNotFound,
)
from callward_access.domain.model import Manifest, Recording
from callward_access.ports import Granted, Person, Served
from callward_common.errors import CallwardError, Forbidden, Unavailable
from tests.unit.access.scene import MAX_PEAKS, Scene, person
from tests.unit.access.sealing import noise, seal

SAM = person()
AUDIO = noise(200_000, 1)
#: More than a segment, so that it has several pieces.
PEAKS = noise(90_000, 2)


async def opened(scene: Scene, peaks: bytes | None = PEAKS, media_type: str = "") -> tuple[Recording, str]:
    recording = scene.add(seal(scene.objects, AUDIO, peaks=peaks, peaks_type=media_type, pace=1))
    session, _ = await scene.listening.open(SAM, recording.summary.recording_id, "HOPERAT")
    return recording, session.session_id


async def read(scene: Scene, session_id: str, who: Person = SAM) -> tuple[MediaAnswer, bytes]:
    answer, stream = await scene.peaks.read(who, session_id)
    try:
        return answer, b"".join([piece async for piece in stream])
    finally:
        await stream.finish()


async def test_peaks_are_served_whole_at_once_under_a_grant_of_their_own() -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    answer, came = await read(scene, session_id)
    assert came == PEAKS
    assert (answer.selected.length, answer.selected.partial) == (len(PEAKS), False)
    assert answer.media_type == "application/octet-stream"
    assert answer.etag == recording.etag("peaks") != recording.etag("original")
    assert scene.waits == []
    listening, of_peaks = scene.units.of(Granted)
    assert (listening.rendition, of_peaks.rendition) == ("original", "peaks")
    assert (of_peaks.purpose, of_peaks.act, of_peaks.session_id) == ("HOPERAT", "listen", session_id)
    assert (of_peaks.policies, of_peaks.decision_id) == (["supervisor-listens"], "decision-2")
    # One key was opened: that of the peaks, under their grant, which was durable before.
    assert scene.keys.opened == [("peaks", of_peaks.event_id)]
    assert scene.keys.granted_before == [True]
    (served,) = scene.units.of(Served)
    assert (served.rendition, served.first_byte, served.byte_count) == ("peaks", 0, len(PEAKS))


async def test_each_time_is_granted_anew_and_takes_nothing_of_the_pace() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    for _ in range(3):
        assert (await read(scene, session_id))[1] == PEAKS
    grants = [each.event_id for each in scene.units.of(Granted) if each.rendition == "peaks"]
    assert scene.keys.opened == [("peaks", event_id) for event_id in grants]
    assert len(set(grants)) == 3
    assert list(scene.remembered._heard) == []


async def test_the_type_is_that_of_the_manifest() -> None:
    scene = Scene()
    _, session_id = await opened(scene, media_type="application/vnd.audiowaveform")
    assert (await read(scene, session_id))[0].media_type == "application/vnd.audiowaveform"


async def test_to_describe_nothing_is_opened_and_nothing_granted() -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    described = await scene.peaks.describe(SAM, session_id)
    assert (described.selected.length, described.etag) == (len(PEAKS), recording.etag("peaks"))
    assert scene.keys.opened == []
    assert len(scene.units.of(Granted)) == 1


async def test_a_recording_without_peaks_says_so_on_record() -> None:
    scene = Scene()
    recording, session_id = await opened(scene, peaks=None)
    session = await scene.peaks._sessions.find(SAM, session_id)
    assert not await scene.peaks.available(SAM, session, recording)
    for attempt in (scene.peaks.read(SAM, session_id), scene.peaks.describe(SAM, session_id)):
        with pytest.raises(NoSuchRendition):
            await attempt
    assert [(each.reason, each.purpose) for each in scene.denials()] == [("no-such-rendition", "HOPERAT")] * 2
    assert scene.keys.opened == []


async def test_larger_peaks_than_the_limit_are_not_served() -> None:
    scene = Scene()
    for size, served in ((MAX_PEAKS, True), (MAX_PEAKS + 1, False)):
        _, session_id = await opened(scene, noise(size))
        if served:
            assert len((await read(scene, session_id))[1]) == MAX_PEAKS
        else:
            with pytest.raises(NotPlayable) as refused:
                await read(scene, session_id)
            assert refused.value.extra == {"limit": MAX_PEAKS}
    assert [each.reason for each in scene.denials()] == ["recording-not-playable"]
    assert len(scene.keys.opened) == 1


def quarantined(scene: Scene, recording: Recording) -> None:
    scene.change(recording, state="quarantined")


def revoked(scene: Scene, recording: Recording) -> None:
    scene.consent.outcome = "revoked"


def destroyed(scene: Scene, recording: Recording) -> None:
    scene.recordings.known.clear()


def expired(scene: Scene, recording: Recording) -> None:
    scene.clock.advance(timedelta(hours=1))


def audit_stands_still(scene: Scene, recording: Recording) -> None:
    scene.freshness.answer = timedelta(seconds=31)


def key_refused(scene: Scene, recording: Recording) -> None:
    scene.keys.failing = Forbidden("The key is marked for destruction.")


def changed_object(scene: Scene, recording: Recording) -> None:
    (key,) = (key for key in scene.objects.content if "-peaks/" in key)
    scene.objects.content[key] = bytes([scene.objects.content[key][0], *scene.objects.content[key][:-1]])


def missing_object(scene: Scene, recording: Recording) -> None:
    for key in [key for key in scene.objects.content if "-peaks/" in key]:
        del scene.objects.content[key]


def changed_manifest(scene: Scene, recording: Recording) -> None:
    """One of another sealing: its hash is not the registered one."""
    other = seal(scene.objects, AUDIO, peaks=PEAKS).manifest
    other.recording_id = recording.summary.recording_id
    changed = replace(recording, manifest=Manifest(other.SerializeToString()))
    scene.recordings.known["mercy-general", recording.summary.recording_id] = changed


ENDS = [
    (quarantined, PolicyForbids),
    (revoked, ConsentForbids),
    (destroyed, RecordingNotFound),
    (expired, SessionNotFound),
    (audit_stands_still, AuditUnavailable),
    (key_refused, Forbidden),
    (changed_object, IntegrityFailure),
    (missing_object, IntegrityFailure),
    (changed_manifest, IntegrityFailure),
]


@pytest.mark.parametrize(("change", "error"), ENDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_what_takes_the_right_away_is_an_answer_and_gives_no_byte(
    change: object, error: type[CallwardError]
) -> None:
    scene = Scene()
    recording, session_id = await opened(scene)
    assert callable(change)
    change(scene, recording)
    with pytest.raises(error):
        await read(scene, session_id)
    assert scene.units.of(Served) == []
    if error is not Forbidden:  # key-management puts its own refusal on record
        assert [denial.reason for denial in scene.denials()] == [error.type]
    if error not in (Forbidden, IntegrityFailure):
        assert len(scene.units.of(Granted)) == 1
        assert scene.keys.opened == []


async def test_a_grant_that_cannot_be_written_opens_nothing() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    scene.units.failing = Unavailable("The database does not answer.")
    with pytest.raises(Unavailable):
        await read(scene, session_id)
    assert scene.keys.opened == []
    assert scene.objects.read_ranges == []


async def test_anothers_session_gives_nothing() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    for who in (person("olga"), person(tenant="other-clinic"), person(issuer="https://elsewhere.example")):
        with pytest.raises(SessionNotFound):
            await read(scene, session_id, who)
        with pytest.raises(SessionNotFound):
            await scene.peaks.describe(who, session_id)
    assert scene.keys.opened == []


async def test_closing_the_session_ends_what_is_being_read_of_them() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await scene.peaks.read(SAM, session_id)
    await scene.listening.close(SAM, session_id)
    came: list[bytes] = []

    async def take() -> None:
        async for piece in stream:
            came.append(piece)  # noqa: PERF401  # what came before the error is wanted

    with pytest.raises(SessionNotFound):
        await take()
    await stream.finish()
    assert PEAKS.startswith(b"".join(came))
    assert len(b"".join(came)) < len(PEAKS)


async def test_a_client_that_takes_its_time_is_asked_for_again_under_the_same_grant() -> None:
    scene = Scene()
    _, session_id = await opened(scene)
    _, stream = await scene.peaks.read(SAM, session_id)
    async for _ in stream:
        scene.clock.advance(timedelta(seconds=31))
    await stream.finish()
    (grant,) = (each for each in scene.units.of(Granted) if each.rendition == "peaks")
    assert scene.keys.opened == [("peaks", grant.event_id)] * 2
