"""SIGKILL at every named step of a cancellation: nothing of the upload is left, and its key is given up."""

from collections.abc import Iterator

import pytest

from tests.e2e.crashes.scene import PARTIAL, Crashing, crashing
from tests.support.audio import wav
from tests.support.crashing import CANCEL_POINTS


@pytest.fixture(scope="module")
def scene() -> Iterator[Crashing]:
    with crashing() as started:
        yield started


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", CANCEL_POINTS)
def test_killed_there_nothing_of_a_cancelled_upload_is_left(scene: Crashing, point: str) -> None:
    platform, audio = scene.platform, wav(2)
    headers = {"Content-Type": "audio/wav", "Upload-Complete": "?0"}
    created = platform.post(f"/v1/uploads?call={scene.call()}", headers=headers, content=audio[:5000])
    location = created.headers["location"]
    more = {"Content-Type": PARTIAL, "Upload-Complete": "?0", "Upload-Offset": "5000"}
    appended = platform.request("PATCH", location, content=audio[5000:], headers=more)
    assert appended.status_code == 204, appended.text
    scene.crash(point, 1, lambda: platform.delete(location))
    ended = scene.platform.delete(location)
    assert ended.status_code == 204, ended.text
    scene.settled()
    scene.plays()
    upload_id = location.rpartition("/")[2]
    (upload,) = scene.rows(f"SELECT state, secret FROM uploads WHERE upload_id = '{upload_id}'")
    assert (upload["state"], upload["secret"]) == ("cancelled", None)
    (key,) = scene.rows(f"SELECT state FROM data_keys WHERE subject_id = '{upload_id}'", "key_management")
    assert key["state"] == "shred_pending"
