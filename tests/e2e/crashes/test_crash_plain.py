"""SIGKILL at every named step of a plain upload: the same request, sent again, gets one recording and its receipt."""

import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.crashes.scene import Crashing, crashing
from tests.support.audio import wav
from tests.support.crashing import POINTS
from tests.support.journeys import upload
from tests.support.waiting import eventually

#: Those that a plain upload passes too, in the middle of its body.
LATER = {"object being written": 3}


@pytest.fixture(scope="module")
def scene() -> Iterator[Crashing]:
    with crashing() as started:
        yield started


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_the_same_request_gets_one_recording(scene: Crashing, point: str) -> None:
    audio, call_id, key = wav(20), scene.call(), secrets.token_hex(8)
    scene.crash(point, LATER.get(point, 1), lambda: upload(scene.platform, call_id, audio, key=key))

    def again() -> str | None:
        answer = upload(scene.platform, call_id, audio, key=key)
        # Nobody waits for a deadline: what a dead process had in hand is taken over at once.
        assert answer.status_code in (201, 409, 503), answer.text
        return str(answer.json()["recordingId"]) if answer.status_code == 201 else None

    recording_id = eventually(again, "the receipt", within=60)
    scene.kept.append((recording_id, audio))
    scene.settled()
    scene.plays()
    states = scene.rows(f"SELECT state FROM recordings WHERE call_id = '{call_id}'")
    assert [row["state"] for row in states if row["state"] != "abandoned"] == ["sealed"], (
        "one recording, once"
    )
