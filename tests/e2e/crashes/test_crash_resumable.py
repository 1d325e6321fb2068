"""SIGKILL at every named step of a resumable upload and of its sealing: it resumes, once, whole, and nothing is left."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.crashes.scene import PARTIAL, Crashing, crashing
from tests.support.audio import wav
from tests.support.crashing import POINTS
from tests.support.waiting import eventually

#: Which time it comes to a step that an upload passes often: in the middle of the body rather than at its beginning.
LATER = {
    "object staged": 2,
    "object being written": 4,
    "object written": 2,
    "acknowledged": 2,
    "append begun": 2,
}


@pytest.fixture(scope="module")
def scene() -> Iterator[Crashing]:
    with crashing() as started:
        yield started


class Sender:
    """Sends one recording in three requests, and goes on after whatever happened."""

    def __init__(self, scene: Crashing) -> None:
        self.scene, self.audio = scene, wav(3)
        self.call_id, self.key = scene.call(), secrets.token_hex(8)
        self.location = ""
        self.acknowledged = 0

    def create(self) -> None:
        """Creates the upload, or finds it again under its Idempotency-Key."""
        headers = {"Content-Type": "audio/wav", "Upload-Complete": "?0", "Idempotency-Key": self.key}
        answer = self.scene.platform.post(f"/v1/uploads?call={self.call_id}", headers=headers)
        assert answer.status_code == 201, answer.text
        self.location = answer.headers["location"]

    def append(self, offset: int, content: bytes, *, complete: bool) -> Any:
        """Appends, and remembers what was acknowledged."""
        headers = {
            "Content-Type": PARTIAL,
            "Upload-Offset": str(offset),
            "Upload-Complete": "?1" if complete else "?0",
        }
        answer = self.scene.platform.request("PATCH", self.location, content=content, headers=headers)
        if answer.status_code in (201, 204):
            self.acknowledged = int(answer.headers["upload-offset"])
        return answer

    def send(self) -> None:
        """Sends all, without looking back."""
        third = len(self.audio) // 3
        self.create()
        for number in range(3):
            end = len(self.audio) if number == 2 else (number + 1) * third
            answer = self.append(number * third, self.audio[number * third : end], complete=number == 2)
            assert answer.status_code in (201, 204), answer.text

    def go_on(self) -> None:
        """Resumes until the recording is sealed."""
        if not self.location:
            self.create()
        eventually(self._step, "a sealed recording")

    def _step(self) -> bool:
        platform = self.scene.platform
        found = platform.head(self.location)
        assert found.status_code == 204, found.status_code
        offset = int(found.headers["upload-offset"])
        assert offset >= self.acknowledged, "what was acknowledged never has to be sent again"
        if found.headers["upload-complete"] == "?0":
            answer = self.append(offset, self.audio[offset:], complete=True)
            return bool(answer.status_code == 201)
        recording = platform.get(f"/v1/recordings/{self.location.rpartition('/')[2]}").json()
        return bool(recording["state"] == "sealed")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", POINTS)
def test_killed_there_it_resumes_whole_and_nothing_is_left(scene: Crashing, point: str) -> None:
    sender = Sender(scene)
    scene.crash(point, LATER.get(point, 1), sender.send)
    sender.go_on()
    recording_id = sender.location.rpartition("/")[2]
    scene.kept.append((recording_id, sender.audio))
    scene.settled()
    scene.plays()
    of_call = scene.rows(f"SELECT state FROM recordings WHERE call_id = '{sender.call_id}'")
    assert [row["state"] for row in of_call] == ["sealed"], "one recording, once"
    receipts = scene.rows(
        f"SELECT count(*) AS n FROM outbox WHERE type LIKE '%RecordingSealed' AND key = '{recording_id}'"
    )
    assert receipts[0]["n"] <= 1
