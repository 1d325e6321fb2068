"""Asking how far an upload got (draft: "Offset Retrieval" and "Concurrency")."""

import pytest

from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.uploads import EXPECT, INTEROP, Sender, heard, shows, upload_id

AUDIO = wav(2)


@shows("R-32", "R-33", "R-34", "R-35", "R-36", "R-37")
def test_what_is_told(sender: Sender) -> None:
    known = sender.created(("Upload-Length", str(len(AUDIO))), body=AUDIO[:100])
    unknown, empty = sender.created(body=AUDIO[:70_000]), sender.created()
    for path, offset, length in ((known, 100, len(AUDIO)), (unknown, 70_000, None), (empty, 0, None)):
        found = sender.head(path)
        assert (found.status, found.offset, found.complete, found.length) == (204, offset, False, length)
        assert found.limits["max-size"] > 0
        assert found["Cache-Control"] == "no-store"
        assert found.body == b""


@shows("R-32", "R-33", "R-34", "R-36")
def test_what_is_told_of_a_complete_upload(sender: Sender) -> None:
    path = sender.created()
    assert sender.append(path, 0, AUDIO, complete=True).status == 201
    found = sender.head(path)
    assert (found.status, found.offset, found.complete, found.length) == (204, len(AUDIO), True, len(AUDIO))
    assert found["Cache-Control"] == "no-store"


@shows("R-37")
def test_nobody_is_sent_elsewhere(sender: Sender) -> None:
    path = sender.created()
    for target in (path, f"{path}/", path.upper(), f"/v1//uploads/{upload_id(path)}"):
        assert sender.head(target).status not in (301, 302)
    sender.cancel(path)
    assert sender.head(path).status == 410
    assert sender.head(path).get("Upload-Offset") is None


@shows("R-55", "R-56")
@pytest.mark.parametrize("sent", [1, 65_479, 65_481, 100_000])
def test_an_offset_told_while_an_append_runs_holds(sender: Sender, callward: Callward, sent: int) -> None:
    path = sender.created()
    with sender.appending(path, 0, True, EXPECT, announced=len(AUDIO)) as wire:
        wire.go_ahead()
        wire.send(AUDIO[:sent])
        found = sender.head(path)
        assert found.status == 204
        assert 0 <= found.offset <= sent
        # The append was ended: whatever it sends now changes nothing.
        ended = wire.outcome()
        assert ended is None or ended.status >= 400, ended
        again = sender.head(path)
        assert (again.offset, again.complete) == (found.offset, False)
        answer = sender.append(path, found.offset, AUDIO[found.offset :], complete=True)
    assert answer.status == 201, answer
    assert heard(callward, upload_id(path)) == AUDIO


@shows("R-55")
def test_an_offset_told_while_a_creation_runs_holds(sender: Sender, callward: Callward) -> None:
    with sender.creation(True, INTEROP, announced=len(AUDIO)) as wire:
        path = wire.one()["Location"]
        wire.send(AUDIO[:90_000])
        found = sender.head(path)
        assert 0 <= found.offset <= 90_000
        ended = wire.outcome()
        assert ended is None or ended.status >= 400, ended
        answer = sender.append(path, found.offset, AUDIO[found.offset :], complete=True)
    assert answer.status == 201, answer
    assert heard(callward, upload_id(path)) == AUDIO


def test_the_document_leaves_a_running_append_alone(sender: Sender) -> None:
    path = sender.created(("Upload-Length", str(len(AUDIO))))
    with sender.appending(path, 0, True, announced=len(AUDIO)) as wire:
        wire.send(AUDIO[:50_000])
        document = sender.document(path)
        assert (document["uploadId"], document["recordingId"]) == (upload_id(path), upload_id(path))
        assert (document["callId"], document["state"]) == (sender.call_id, "receiving")
        assert document["length"] == len(AUDIO)
        assert document["reason"] is None
        assert document["expiresAt"] > "2025"
        wire.send(AUDIO[50_000:])
        assert wire.answer().status == 201
    document = sender.document(path)
    assert (document["state"], document["offset"]) == ("complete", len(AUDIO))
    assert document["parts"] >= 1
