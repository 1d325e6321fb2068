"""Creating an upload: where it is, how long it will be, what a break leaves (draft: "Upload Creation")."""

from tests.e2e.uploads.looking import dense_wav
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.uploads import INTEROP, Sender, heard, shows, upload_id

AUDIO = wav(3)


@shows("R-20", "R-21", "R-22")
def test_the_address_is_known_before_the_first_byte(sender: Sender) -> None:
    with sender.creation(True, INTEROP, announced=len(AUDIO)) as wire:
        first = wire.one()
        assert first.status == 104
        assert first["Location"].startswith("/v1/uploads/")
        assert first.limits["max-size"] > 0
        assert sender.head(first["Location"]).offset == 0


@shows("R-23", "R-24", "R-25")
def test_an_incomplete_creation_says_where_to_go_on(sender: Sender) -> None:
    for body in (b"", AUDIO[:1], AUDIO[:70_000]):
        answer = sender.create(body=body)
        assert (answer.status, answer.complete, answer.offset) == (201, False, len(body))
        assert answer["Location"].startswith("/v1/uploads/")
        assert answer.limits["max-size"] > 0
        assert sender.head(answer["Location"]).offset == len(body)


@shows("R-26")
def test_a_stated_length_is_kept(sender: Sender) -> None:
    path = sender.created(("Upload-Length", str(len(AUDIO))), body=AUDIO[:5])
    assert sender.head(path).length == len(AUDIO)
    assert sender.document(path)["length"] == len(AUDIO)
    assert sender.head(sender.created()).length is None


@shows("R-27")
def test_the_length_of_a_request_that_would_complete_is_kept(sender: Sender) -> None:
    with sender.creation(True, INTEROP, announced=len(AUDIO)) as wire:
        path = wire.one()["Location"]
        wire.send(AUDIO[:20_000])
    found = sender.head(path)
    assert (found.length, found.complete) == (len(AUDIO), False)
    wrong = sender.append(path, found.offset, AUDIO[found.offset : -1], complete=True)
    assert wrong.problem() == (400, "inconsistent-upload-length")


@shows("R-28", "R-29")
def test_progress_of_a_creation(sender: Sender, callward: Callward) -> None:
    audio = dense_wav(20_000_012)
    with sender.creation(True, INTEROP, announced=len(audio)) as wire:
        wire.send(audio)
        answer = wire.answer()
    assert (answer.status, answer.complete) == (201, True)
    assert {each.status for each in answer.interim} == {104}
    offsets = [each.offset for each in answer.interim if each.get("Upload-Offset") is not None]
    assert offsets == sorted(set(offsets))
    assert len([each for each in offsets if 0 < each < len(audio)]) >= 2, "a part is acknowledged every 8 MiB"
    places = {each["Location"] for each in answer.interim if each.get("Location") is not None}
    assert len(places) == 1
    # The final answer is that of the recording, as if it had come in one go.
    recording = upload_id(places.pop())
    assert answer["Location"] == f"/v1/recordings/{recording}"
    assert heard(callward, recording) == audio


@shows("R-29")
def test_interim_and_final_answers_name_the_same_place(sender: Sender) -> None:
    with sender.creation(False, INTEROP, announced=9_000) as wire:
        wire.send(AUDIO[:9_000])
        answer = wire.answer()
    assert answer.interim
    named = [each.get("Location") for each in (*answer.interim, answer)]
    assert {each for each in named if each is not None} == {answer["Location"]}


@shows("R-30", "R-31")
def test_what_came_before_a_break_is_kept(sender: Sender, callward: Callward) -> None:
    for announced in (len(AUDIO), None):
        with sender.creation(True, INTEROP, announced=announced) as wire:
            path = wire.one()["Location"]
            if announced is None:
                wire.chunk(AUDIO[:70_001])
            else:
                wire.send(AUDIO[:70_001])
        sender.wait_kept(path, 70_001)
        found = sender.head(path)
        assert (found.offset, found.complete) == (70_001, False)
        assert sender.append(path, 70_001, AUDIO[70_001:], complete=True).status == 201
        assert heard(callward, upload_id(path)) == AUDIO


def test_an_upload_in_one_request_is_answered_like_a_recording(sender: Sender, callward: Callward) -> None:
    answer = sender.create(body=AUDIO, complete=True)
    taken = answer.json(201)
    assert (taken["state"], taken["reasons"], answer.complete) == ("sealed", [], True)
    assert answer["Location"] == f"/v1/recordings/{taken['recordingId']}"
    assert answer.interim == (), "nobody asked for interim answers"
    assert taken["receipt"].count(".") == 2
    assert heard(callward, taken["recordingId"]) == AUDIO


def test_an_empty_upload_is_kept_apart_like_an_empty_recording(sender: Sender) -> None:
    at_once = sender.create(complete=True).json(201)
    path = sender.created()
    later = sender.append(path, 0, complete=True).json(201)
    for taken in (at_once, later):
        assert (taken["state"], taken["reasons"]) == ("quarantined", ["empty"])
    assert sender.head(path).offset == 0


def test_completing_without_another_byte(sender: Sender, callward: Callward) -> None:
    path = sender.created(("Upload-Length", str(len(AUDIO))), body=AUDIO)
    assert sender.state(path) == "receiving", "the length alone completes nothing"
    answer = sender.append(path, len(AUDIO), complete=True)
    assert answer.json(201)["state"] == "sealed"
    assert heard(callward, upload_id(path)) == AUDIO


def test_a_chunked_body_says_where_it_ends(sender: Sender, callward: Callward) -> None:
    with sender.creation(True, INTEROP, announced=None) as wire:
        for at in range(0, len(AUDIO), 7_777):
            wire.chunk(AUDIO[at : at + 7_777])
        wire.chunk(b"")
        answer = wire.answer()
    assert heard(callward, answer.json(201)["recordingId"]) == AUDIO
