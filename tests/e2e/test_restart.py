"""Stopped and started again on the same folder: what was acknowledged is there, and the log goes on."""

import base64
from collections.abc import Iterator

import pytest

from tests.support import rfc9162
from tests.support.audio import wav
from tests.support.background import BackgroundLoop
from tests.support.doors import Callward
from tests.support.journeys import (
    PURPOSE,
    Recorded,
    answered,
    media,
    open_call,
    pull,
    record,
    session,
    upload,
)
from tests.support.platform import QUICK, RunningPlatform, running
from tests.support.telemetry import Telemetry
from tests.support.waiting import eventually


class Before:
    """What was there before the platform was stopped."""

    def __init__(self, callward: Callward) -> None:
        """Takes a recording, and waits until all of it is on record under a checkpoint."""
        self.recorded: Recorded = record(callward, audio=wav(2))
        self.session = session(callward.person(), self.recorded.recording_id)
        granted = callward.person().get(self.session["mediaPath"], headers={"Range": "bytes=0-9"})
        assert granted.status_code == 206
        siem = callward.siem()
        event_id = self.recorded.answer["eventId"]
        eventually(lambda: siem.get(f"/v1/events/{event_id}/proof").status_code == 200, "the proof")
        self.log = answered(siem.get("/v1/logs"), 200)["logs"][0]["log"]
        self.note = siem.get(f"/v1/logs/{self.log}/checkpoint").text
        self.lines, self.cursor = pull(siem)
        self.keys = answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200)
        self.call_id = open_call(callward.call_platform())


@pytest.fixture(scope="module")
def restarted(
    background: BackgroundLoop, telemetry: Telemetry
) -> Iterator[tuple[RunningPlatform, Callward, Before]]:
    """A platform that was stopped and started; the clients and tokens are those from before."""
    with running(background, QUICK) as platform:
        callward = platform.callward()
        before = Before(callward)
        doors = callward.doors
        platform.stop()
        platform.start()
        assert platform.callward().doors == doors, "ports are kept, since tokens name the issuer's"
        yield platform, callward, before


Restarted = tuple[RunningPlatform, Callward, Before]


def test_recordings_still_play(restarted: Restarted) -> None:
    _, callward, before = restarted
    person, recorded = callward.person(), before.recorded
    assert person.get(media(person, recorded.recording_id)).content == recorded.audio
    viewed = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": PURPOSE})
    assert "+15125550142" in viewed.text


def test_sessions_from_before_still_play(restarted: Restarted) -> None:
    _, callward, before = restarted
    heard = callward.person().get(before.session["mediaPath"])
    assert heard.content == before.recorded.audio


def test_tokens_and_sign_ins_from_before_still_count(restarted: Restarted) -> None:
    platform, callward, _ = restarted
    assert callward.person().get("/v1/recordings").status_code == 200
    assert callward.siem().get("/v1/logs").status_code == 200
    again = platform.callward()
    assert again.call_platform().get(f"/v1/calls/{restarted[2].call_id}").status_code == 200


def test_calls_go_on(restarted: Restarted) -> None:
    _, callward, before = restarted
    assert record(callward, audio=wav(0.5)).answer["state"] == "sealed"
    refused = upload(callward.call_platform(), before.call_id, wav(0.5))
    assert refused.status_code == 403, "an open call is as it was"


def test_the_log_goes_on_and_only_grew(restarted: Restarted) -> None:
    _, callward, before = restarted
    siem = callward.siem()
    assert callward.person().get("/v1/recordings").status_code == 200
    keys = answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200)
    assert keys == before.keys
    (key,) = (each for each in keys["keys"] if each["callward_document_type"] == "checkpoint")
    public = base64.urlsafe_b64decode(key["x"] + "=")
    _, old_size, old_root = rfc9162.read_note(before.note, public)

    def later() -> str | None:
        note = siem.get(f"/v1/logs/{before.log}/checkpoint").text
        return note if rfc9162.read_note(note, public)[1] > old_size else None

    _, size, root = rfc9162.read_note(eventually(later, "a checkpoint after the restart"), public)
    answer = siem.get(f"/v1/logs/{before.log}/consistency", params={"from": old_size, "to": size})
    proof = [base64.b64decode(each) for each in answered(answer, 200)["hashes"]]
    assert rfc9162.consistent(old_size, old_root, size, root, proof)
    assert pull(siem)[0][: len(before.lines)] == before.lines
    eventually(lambda: pull(siem, cursor=before.cursor)[0], "events after the restart, at the old cursor")


def test_two_platforms_never_share_a_folder(restarted: Restarted, background: BackgroundLoop) -> None:
    platform, callward, _ = restarted
    second = RunningPlatform(background, platform.data_dir, {})
    with pytest.raises(Exception, match="in use by process"):
        second.start()
    assert callward.siem().get("/v1/logs").status_code == 200
