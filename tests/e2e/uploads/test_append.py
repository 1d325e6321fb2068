"""Appending: where it must begin, where it must end, and what it is answered (draft: "Upload Append")."""

import json

import pytest

from tests.e2e.uploads.looking import wait_given_up
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.platform import RunningPlatform
from tests.support.uploads import IANA, Sender, heard, shows, upload_id
from tests.support.waiting import eventually

AUDIO = wav(3)


@shows("R-38", "R-39")
@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_what_came_before_a_break_is_kept(sender: Sender, callward: Callward, announced: bool) -> None:
    path, at = sender.created(body=AUDIO[:100]), 100
    for sent in (1, 65_480, 70_000):
        size = len(AUDIO) - at if announced else None
        with sender.appending(path, at, True, announced=size) as wire:
            (wire.send if announced else wire.chunk)(AUDIO[at : at + sent])
        at += sent
        sender.wait_kept(path, at)
        found = sender.head(path)
        assert (found.offset, found.complete) == (at, False)
        assert sender.state(path) == "receiving"
    assert sender.append(path, at, AUDIO[at:], complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO


@shows("R-40", "R-41", "R-59")
def test_an_offset_ahead_or_behind(sender: Sender) -> None:
    path = sender.created(body=AUDIO[:1_000])
    for stated in (0, 999, 1_001, 70_000, 999_999_999_999_999):
        for complete in (False, True):
            answer = sender.append(path, stated, AUDIO[stated : stated + 50], complete=complete)
            assert answer.problem() == (409, "mismatching-upload-offset")
            document = json.loads(answer.body)
            assert document["type"] == f"{IANA}mismatching-upload-offset"
            assert (document["expected-offset"], document["provided-offset"]) == (1_000, stated)
            assert answer.offset == 1_000
            assert answer.get("Upload-Complete") in (None, "?0")
    found = sender.head(path)
    assert (found.offset, found.complete) == (1_000, False)


@shows("R-42", "R-43", "R-44")
def test_nothing_is_added_to_what_is_complete(sender: Sender, callward: Callward) -> None:
    path = sender.created()
    assert sender.append(path, 0, AUDIO, complete=True).status == 201
    before = sender.document(path)
    for complete in (False, True):
        more = sender.append(path, len(AUDIO), b"more", complete=complete)
        assert more.problem() == (400, "inconsistent-upload-length")
        none = sender.append(path, len(AUDIO), complete=complete)
        assert none.problem() == (400, "completed-upload")
        assert json.loads(none.body)["type"] == f"{IANA}completed-upload"
        assert 400 <= sender.append(path, 0, AUDIO, complete=complete).status < 500
    assert sender.document(path) == before
    assert heard(callward, upload_id(path)) == AUDIO


@shows("R-45", "R-46")
def test_completing_is_answered_as_the_whole_would_have_been(sender: Sender) -> None:
    path = sender.created(body=AUDIO[:50])
    answer = sender.append(path, 50, AUDIO[50:], complete=True)
    assert answer.complete is True
    taken, whole = answer.json(201), sender.create(body=AUDIO, complete=True).json(201)
    assert taken.keys() == whole.keys()
    assert (taken["state"], taken["recordingId"]) == ("sealed", upload_id(path))
    assert answer["Location"] == f"/v1/recordings/{upload_id(path)}"
    shown = sender.client.get(f"/v1/recordings/{upload_id(path)}").json()
    assert (shown["state"], shown["recordingId"]) == ("sealed", upload_id(path))
    receipt = sender.client.get(f"/v1/receipts/{upload_id(path)}").json()
    assert receipt["receipt"] == taken["receipt"]


def test_an_append_that_is_not_the_last_is_acknowledged(sender: Sender) -> None:
    path = sender.created()
    for at in range(0, 3_000, 1_000):
        answer = sender.append(path, at, AUDIO[at : at + 1_000])
        assert (answer.status, answer.complete, answer.offset) == (204, False, at + 1_000)
    nothing = sender.append(path, 3_000)
    assert (nothing.status, nothing.complete, nothing.offset) == (204, False, 3_000)


@shows("R-47")
def test_a_length_that_becomes_known_is_kept(sender: Sender) -> None:
    path = sender.created()
    assert sender.append(path, 0, AUDIO[:9], ("Upload-Length", str(len(AUDIO)))).status == 204
    assert sender.head(path).length == len(AUDIO)
    other = sender.created()
    with sender.appending(other, 0, True, announced=len(AUDIO)) as wire:
        wire.send(AUDIO[:9])
        eventually(lambda: sender.document(other)["length"] == len(AUDIO), "that the length is known")
    assert sender.head(other).length == len(AUDIO)


@shows("R-48")
def test_more_than_the_length_ends_the_upload(sender: Sender, platform: RunningPlatform) -> None:
    for complete in (False, True):
        path = sender.created(("Upload-Length", "1000"), body=AUDIO[:10])
        with sender.appending(path, 10, complete, announced=None) as wire:
            for at in range(10, 2_010, 500):
                wire.chunk(AUDIO[at : at + 500])
            wire.chunk(b"")
            answer = wire.answer()
        assert answer.problem() == (400, "inconsistent-upload-length")
        assert sender.head(path).status == 410
        assert sender.append(path, 10, AUDIO[10:1_000], complete=True).problem() == (410, "upload-ended")
        document = sender.document(path)
        assert document["state"] == "failed"
        assert document["reason"]
        assert document["offset"] <= 1_000
        wait_given_up(platform, path)


@shows("R-48")
def test_more_than_the_length_is_refused_where_it_is_announced(sender: Sender) -> None:
    path = sender.created(("Upload-Length", "1000"), body=AUDIO[:10])
    answer = sender.append(path, 10, AUDIO[10:1_001])
    assert answer.problem() == (400, "inconsistent-upload-length")
    assert sender.document(path)["offset"] <= 1_000
    created = sender.create(("Upload-Length", "1000"), body=AUDIO[:1_001])
    assert created.problem() == (400, "inconsistent-upload-length")


def test_other_documents_are_not_appended(sender: Sender) -> None:
    path = sender.created(body=AUDIO[:10])
    for kind in ("audio/wav", "application/json", "application/offset+octet-stream", "text/plain", "x", None):
        answer = sender.append(path, 10, AUDIO[10:20], ("Content-Type", kind))
        assert answer.problem() == (415, "unsupported-media-type")
        assert "application/partial-upload" in answer["Accept-Patch"], "RFC 5789 section 2.2"
    assert sender.append(path, 10, b"", ("Content-Type", "Application/Partial-Upload; x=1")).status == 204
    assert sender.head(path).offset == 10
