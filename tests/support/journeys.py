"""What callers do, through the doors only: open a call with consent, send its recording, listen, read the record."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.audio import wav
from tests.support.doors import HOSPITAL, Callward, Client

STARTED, ENDED = "2025-11-05T18:30:00Z", "2025-11-05T18:30:30Z"
PURPOSE = "HOPERAT"


def call_body(**changes: Any) -> dict[str, Any]:
    """A call from California to Texas; `changes` replace fields."""
    body: dict[str, Any] = {
        "queue": "appointments",
        "direction": "outbound",
        "startedAt": STARTED,
        "ageGroup": "adult",
        "parties": [
            {
                "partyId": "hospital",
                "role": "organisation",
                "jurisdictions": ["CA"],
                "telephone": "+14155550100",
            },
            {"partyId": "patient", "role": "patient", "jurisdictions": ["TX"], "telephone": "+15125550142"},
        ],
        "patientReference": "MRN-0048213",
        "agentId": "agent-7",
        "notes": "Wants the appointment moved.",
    }
    return {**body, **changes}


ANNOUNCEMENT: Mapping[str, Any] = {
    "kind": "announcement",
    "partyId": "patient",
    "givenAt": "2025-11-05T18:30:01.640Z",
    "offsetSeconds": 1.64,
    "scriptId": "en-recording-notice",
    "scriptVersion": "1",
}
YES: Mapping[str, Any] = {
    "kind": "verbal-yes",
    "partyId": "patient",
    "givenAt": "2025-11-05T18:30:09.880Z",
    "offsetSeconds": 9.88,
}
REVOCATION: Mapping[str, Any] = {"partyId": "patient", "revokedAt": "2025-11-05T18:30:20Z"}
END: Mapping[str, Any] = {"endedAt": ENDED}


def answered(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Returns the JSON of an answer with this status."""
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert isinstance(document, dict)
    return document


def open_call(platform: Client, **changes: Any) -> str:
    """Opens a call and returns its id."""
    return str(answered(platform.post("/v1/calls", json=call_body(**changes)), 201)["callId"])


def consented_call(platform: Client, **changes: Any) -> str:
    """Opens a call whose recording is permitted, and which has ended. Returns its id."""
    call_id = open_call(platform, **changes)
    outcomes = [
        answered(platform.post(f"/v1/calls/{call_id}/evidence", json=evidence), 201)["decision"]["outcome"]
        for evidence in (ANNOUNCEMENT, YES)
    ]
    assert outcomes == ["evidence-missing", "permit"]
    answered(platform.post(f"/v1/calls/{call_id}/end", json=END), 200)
    return call_id


def upload(
    platform: Client, call_id: str, audio: bytes, *, key: str | None = None, **headers: str
) -> httpx.Response:
    """Sends a recording. Names of `headers` are written with underscores."""
    sent = {"Content-Type": "audio/wav", "Idempotency-Key": key or secrets.token_hex(16)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return platform.post(f"/v1/recordings?call={call_id}", content=audio, headers=sent)


@dataclass(frozen=True)
class Recorded:
    """A recording that was sealed, and what was answered."""

    call_id: str
    recording_id: str
    audio: bytes
    answer: Mapping[str, Any]


def record(
    callward: Callward, tenant: str = HOSPITAL, audio: bytes | None = None, **changes: Any
) -> Recorded:
    """A call with consent and its sealed recording."""
    platform = callward.call_platform(tenant)
    audio = wav() if audio is None else audio
    call_id = consented_call(platform, **changes)
    answer = answered(upload(platform, call_id, audio), 201)
    assert (answer["state"], answer["reasons"]) == ("sealed", [])
    return Recorded(call_id, answer["recordingId"], audio, answer)


def ask_to_listen(person: Client, recording_id: str, purpose: str = PURPOSE) -> httpx.Response:
    """Asks for a listening session."""
    return person.post(f"/v1/recordings/{recording_id}/listening-sessions", json={"purpose": purpose})


def session(person: Client, recording_id: str) -> dict[str, Any]:
    """A granted listening session."""
    return answered(ask_to_listen(person, recording_id), 201)


def media(person: Client, recording_id: str) -> str:
    """The path of a recording's media, in a session that was just granted."""
    return str(session(person, recording_id)["mediaPath"])


def pull(siem: Client, *, limit: int = 1000, cursor: str = "") -> tuple[list[bytes], str]:
    """Pulls a tenant's events from a cursor to the end. Returns each event's exact bytes, and where to go on."""
    lines: list[bytes] = []
    while True:
        answer = siem.get("/v1/events", params={"limit": limit, "cursor": cursor})
        assert answer.status_code == 200, answer.text
        page = answer.content.splitlines()
        assert len(page) <= limit
        lines += page
        following = answer.headers["Callward-Next-Cursor"]
        if not page:
            return lines, following
        cursor = following
