"""Interim responses, which most libraries hide: 104, 100, and their order (draft: "Status Code 104")."""

import pytest

from tests.e2e.uploads.looking import dense_wav
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.uploads import EXPECT, INTEROP, Header, Sender, Wire, heard, shows, upload_id

AUDIO = wav(1)


def _before(wire: Wire, status: int) -> list[int]:
    """Reads interim responses until one has this status; returns the statuses."""
    seen = [wire.one().status]
    while seen[-1] != status:
        assert seen[-1] < 200, seen
        seen.append(wire.one().status)
    return seen


@shows("R-58")
def test_a_continue_comes_beside_the_announcement(sender: Sender, callward: Callward) -> None:
    with sender.creation(True, INTEROP, EXPECT, announced=len(AUDIO)) as wire:
        # Not a byte of the body is sent before both have come.
        seen = _before(wire, 100)
        if 104 not in seen:
            seen += _before(wire, 104)
        assert sorted(seen) == [100, 104]
        wire.send(AUDIO)
        recording = wire.answer().json(201)["recordingId"]
    assert heard(callward, recording) == AUDIO


@shows("R-58")
def test_a_continue_comes_for_an_append_as_well(sender: Sender) -> None:
    for headers in ((EXPECT,), (EXPECT, INTEROP)):
        path = sender.created()
        with sender.appending(path, 0, True, *headers, announced=len(AUDIO)) as wire:
            _before(wire, 100)
            wire.send(AUDIO)
            assert wire.answer().status == 201


def test_whoever_is_refused_is_not_told_to_go_on(sender: Sender) -> None:
    path = sender.created(body=AUDIO[:10])
    with sender.appending(path, 11, True, EXPECT, INTEROP, announced=len(AUDIO)) as wire:
        answer = wire.answer()
    assert (answer.status, answer.interim) == (409, ())
    with sender.creation(True, EXPECT, INTEROP, ("Content-Encoding", "gzip"), announced=9) as wire:
        answer = wire.answer()
    assert (answer.status, answer.interim) == (415, ())


@shows("R-49", "R-50")
def test_progress_of_an_append(sender: Sender, callward: Callward) -> None:
    audio, path = dense_wav(20_000_012, seed=2), sender.created()
    with sender.appending(path, 0, True, INTEROP, announced=len(audio)) as wire:
        wire.send(audio)
        answer = wire.answer()
    assert answer.status == 201
    assert {each.status for each in answer.interim} == {104}
    offsets = [each.offset for each in answer.interim]
    assert offsets == sorted(set(offsets))
    assert len([each for each in offsets if 0 < each < len(audio)]) >= 2, "a part is acknowledged every 8 MiB"
    assert {each.get("Location") for each in answer.interim} == {None}
    assert heard(callward, upload_id(path)) == audio


def test_what_progress_acknowledged_outlives_the_connection(sender: Sender, callward: Callward) -> None:
    audio, path = dense_wav(10_000_012, seed=3), sender.created()
    with sender.appending(path, 0, True, INTEROP, announced=len(audio)) as wire:
        wire.send(audio[:9_000_000])
        acknowledged = wire.one().offset
        assert acknowledged > 0
        wire.reset()
    found = sender.head(path)
    assert acknowledged <= found.offset <= 9_000_000
    assert sender.append(path, found.offset, audio[found.offset :], complete=True).status == 201
    assert heard(callward, upload_id(path)) == audio


@shows("R-71")
@pytest.mark.parametrize(
    "versions", [[], ["7"], ["9"], ["3"], ["eight"], ["8.0"], ['"8"'], [""], ["-8"], ["8", "8"], ["8, 8"]]
)
def test_nobody_else_gets_an_announcement(sender: Sender, versions: list[str]) -> None:
    headers: list[Header] = [("Upload-Draft-Interop-Version", each) for each in versions]
    created = sender.create(*headers, body=AUDIO[:100])
    assert (created.status, created.interim) == (201, ())
    appended = sender.append(created["Location"], 100, AUDIO[100:], *headers, complete=True)
    assert (appended.status, appended.interim) == (201, ())


@shows("R-72")
def test_every_announcement_names_the_version(sender: Sender) -> None:
    audio = dense_wav(9_000_044, seed=4)
    created = sender.create(INTEROP, body=audio[:1])
    appended = sender.append(created["Location"], 1, audio[1:], INTEROP, complete=True)
    interim = (*created.interim, *appended.interim)
    assert created.interim
    assert appended.interim
    assert {each["Upload-Draft-Interop-Version"] for each in interim} == {"8"}


def test_a_library_that_knows_no_interim_answers_is_served(sender: Sender) -> None:
    answer = sender.client.post(
        f"/v1/uploads?call={sender.call_id}",
        content=AUDIO,
        headers={"Content-Type": "audio/wav", "Upload-Complete": "?1", "Upload-Draft-Interop-Version": "8"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["Upload-Complete"] == "?1"
