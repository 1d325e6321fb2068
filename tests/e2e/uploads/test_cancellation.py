"""Cancelling, also while bytes arrive (draft: "Upload Cancellation" and "Concurrency")."""

import pytest

from tests.e2e.uploads.looking import NothingKept
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.platform import RunningPlatform
from tests.support.uploads import EXPECT, INTEROP, Sender, heard, shows, upload_id
from tests.support.waiting import eventually

AUDIO = wav(2)


@shows("R-51", "R-53")
def test_a_cancelled_upload_is_gone_with_its_key(sender: Sender, platform: RunningPlatform) -> None:
    nothing = NothingKept(platform)
    path = sender.created(body=AUDIO[:70_000])
    assert nothing.left(), "the first bytes are kept so far"
    assert sender.append(path, 70_000, AUDIO[70_000:90_000]).status == 204
    answer = sender.cancel(path)
    assert (answer.status, answer.get("Location")) == (204, None)
    assert sender.head(path).status == 410
    refused = sender.append(path, 90_000, AUDIO[90_000:], complete=True)
    assert refused.problem() == (410, "upload-ended")
    assert refused.json(410)["state"] == "cancelled"
    assert sender.state(path) == "cancelled"
    assert sender.cancel(path).status in (204, 410), "whoever did not hear the answer may ask again"
    nothing.demand(path)


def test_an_upload_without_a_byte_is_cancelled_as_well(sender: Sender, platform: RunningPlatform) -> None:
    nothing, path = NothingKept(platform), sender.created()
    assert sender.cancel(path).status == 204
    assert sender.state(path) == "cancelled"
    nothing.demand(path)


@shows("R-52", "R-54", "R-57")
@pytest.mark.parametrize("sent", [0, 1, 70_000, len(AUDIO) - 1])
def test_cancelling_ends_a_running_append_first(sender: Sender, platform: RunningPlatform, sent: int) -> None:
    nothing, path = NothingKept(platform), sender.created(body=AUDIO[:100])
    with sender.appending(path, 100, True, EXPECT, announced=len(AUDIO) - 100) as wire:
        wire.go_ahead()
        wire.send(AUDIO[100 : max(sent, 100)])
        assert sender.cancel(path).status == 204
        ended = wire.outcome()
        assert ended is None or ended.status >= 400, ended
    assert sender.head(path).status == 410
    assert sender.state(path) == "cancelled"
    nothing.demand(path)


@shows("R-52")
def test_cancelling_ends_a_running_creation_first(sender: Sender, platform: RunningPlatform) -> None:
    nothing = NothingKept(platform)
    with sender.creation(True, INTEROP, announced=len(AUDIO)) as wire:
        path = wire.one()["Location"]
        wire.send(AUDIO[:80_000])
        assert sender.cancel(path).status == 204
        ended = wire.outcome()
        assert ended is None or ended.status >= 400, ended
    assert sender.state(path) == "cancelled"
    nothing.demand(path)


def test_what_is_sealed_is_not_cancelled(sender: Sender, callward: Callward) -> None:
    path = sender.created()
    assert sender.append(path, 0, AUDIO, complete=True).status == 201
    assert 400 <= sender.cancel(path).status < 500
    assert sender.state(path) == "complete"
    assert heard(callward, upload_id(path)) == AUDIO


def test_a_connection_that_fails_without_a_word_holds_nothing_up(sender: Sender, callward: Callward) -> None:
    path, at = sender.created(), 0
    for _ in range(5):
        wire = sender.appending(path, at, True, announced=len(AUDIO) - at)
        wire.send(AUDIO[at : at + 20_000])
        wire.reset()
        at = sender.head(path).offset
    assert at <= 100_000
    assert sender.append(path, at, AUDIO[at:], complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO


def test_a_cancelled_upload_leaves_the_call_as_it_was(sender: Sender) -> None:
    def listed() -> str:
        return sender.client.get(f"/v1/calls/{sender.call_id}").text

    path = sender.created(body=AUDIO[:10])
    sender.cancel(path)
    eventually(lambda: sender.state(path) == "cancelled", "the end")
    shown = [
        each
        for each in sender.client.get(f"/v1/calls/{sender.call_id}").json()["recordings"]
        if each["recordingId"] == upload_id(path)
    ]
    assert all(each["state"] not in ("sealed", "quarantined") for each in shown), listed()
