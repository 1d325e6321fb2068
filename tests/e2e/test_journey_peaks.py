"""The waveform of a recording: made while it came in, seen within a listening session, its key matched with a grant."""

import json
import struct
from typing import Any

from tests.support.audio import wav
from tests.support.doors import Callward, saw
from tests.support.journeys import PURPOSE, pull, record, session
from tests.support.waiting import eventually


def test_peaks_are_those_of_the_recording_and_on_record(callward: Callward) -> None:
    person, siem = callward.person(), callward.siem()
    recorded = record(callward, audio=wav(2))
    cursor = pull(siem)[1]
    granted = session(person, recorded.recording_id)
    answer = person.get(granted["peaksPath"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "private, no-store"
    # audiowaveform's binary format, version 2: version, flags, rate, samples per pixel, length, channels.
    version, _, rate, per_pixel, length, _ = struct.unpack_from("<6i", answer.content)
    assert (version, rate) == (2, recorded.answer["media"]["sampleRate"])
    seconds = length * per_pixel / rate
    assert abs(seconds - recorded.answer["media"]["durationSeconds"]) <= per_pixel / rate

    def opened() -> dict[str, dict[str, Any]] | None:
        events = [json.loads(line) for line in pull(siem, cursor=cursor)[0]]
        found = {
            each["metadata"]["event_code"].rsplit(".", 1)[-1]: each for each in events if _of_peaks(each)
        }
        return found if {"AccessGranted", "KeyOpened"} <= set(found) else None

    found = eventually(opened, "the grant of the peaks and the opening of their key")
    key = found["KeyOpened"]["unmapped"]["callward"]
    assert key["grant_event_id"] == found["AccessGranted"]["metadata"]["uid"]
    assert key["purpose"] == PURPOSE
    of_grant = found["AccessGranted"]["unmapped"]["callward"]
    assert of_grant["session_id"] == granted["sessionId"]
    assert person.delete(f"/v1/listening-sessions/{granted['sessionId']}").status_code == 204
    assert saw(person.get(granted["peaksPath"])) == (404, "listening-session-not-found")


def _of_peaks(event: dict[str, Any]) -> bool:
    fields = event["unmapped"]["callward"]
    return "peaks" in (fields.get("rendition"), fields.get("subkey"))
