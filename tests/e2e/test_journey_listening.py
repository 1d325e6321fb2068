"""People list, view and listen: by bearer token or cookie, by range, and only as far as consent reaches."""

import pytest

from tests.support.audio import wav
from tests.support.doors import CLINIC, HOSPITAL, Callward, saw
from tests.support.journeys import (
    PURPOSE,
    REVOCATION,
    Recorded,
    answered,
    ask_to_listen,
    call_body,
    media,
    record,
    session,
)

#: What a list never shows. Three digits alone may be part of an id.
IDENTIFYING = ("4155550100", "5125550142", "MRN-0048213", "agent-7", "Wants the appointment moved")


@pytest.fixture(scope="module")
def recorded(callward: Callward) -> Recorded:
    return record(callward)


@pytest.fixture(scope="module")
def path(callward: Callward, recorded: Recorded) -> str:
    return media(callward.person(), recorded.recording_id)


def test_the_whole_is_what_was_sent(callward: Callward, recorded: Recorded, path: str) -> None:
    whole = callward.person().get(path)
    assert whole.status_code == 200
    assert whole.content == recorded.audio
    assert whole.headers["cache-control"] == "private, no-store"
    assert whole.headers["cross-origin-resource-policy"] == "same-origin"
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "audio/wav"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=65479-65480", 65_479, 65_480),
        ("bytes=100000-200000", 100_000, 200_000),
        ("bytes=300000-", 300_000, -1),
        ("bytes=-5", -5, -1),
        ("bytes=-99999999", 0, -1),
        ("bytes=319000-99999999", 319_000, -1),
    ],
)
def test_ranges(callward: Callward, recorded: Recorded, path: str, asked: str, first: int, last: int) -> None:
    size = len(recorded.audio)
    first, last = first % size, last % size
    part = callward.person().get(path, headers={"Range": asked})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert part.content == recorded.audio[first : last + 1]


def test_a_range_beyond_the_end_is_416(callward: Callward, recorded: Recorded, path: str) -> None:
    size = len(recorded.audio)
    for asked in (f"bytes={size}-", "bytes=99999999-", "bytes=-0"):
        refused = callward.person().get(path, headers={"Range": asked})
        assert saw(refused) == (416, "range-not-satisfiable")
        assert refused.headers["content-range"] == f"bytes */{size}"


def test_if_range_and_malformed_ranges(callward: Callward) -> None:
    person, short = callward.person(), record(callward, audio=wav(0.2))
    path = media(person, short.recording_id)
    tag = person.head(path).headers["etag"]
    assert tag.startswith('"')
    same = person.get(path, headers={"Range": "bytes=0-9", "If-Range": tag})
    assert (same.status_code, same.content) == (206, short.audio[:10])
    for headers in (
        {"Range": "bytes=0-9", "If-Range": '"another"'},
        {"Range": "bytes=0-9", "If-Range": f"W/{tag}"},
        {"Range": "seconds=0-9"},
        {"Range": "bytes=9-0"},
        {"Range": "bytes=0-1,5-6"},
    ):
        whole = person.get(path, headers=headers)
        assert (whole.status_code, whole.content) == (200, short.audio), headers


def test_head_says_what_a_get_of_the_whole_would_serve(
    callward: Callward, recorded: Recorded, path: str
) -> None:
    # A range is defined for GET alone (RFC 9110 section 14.2).
    for headers in ({}, {"Range": "bytes=10-19"}):
        whole = callward.person().head(path, headers=headers)
        assert (whole.status_code, whole.content) == (200, b"")
        assert whole.headers["content-length"] == str(len(recorded.audio))
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["etag"]


def test_a_player_listens_by_its_cookie_alone(callward: Callward, recorded: Recorded) -> None:
    granted = ask_to_listen(callward.person(), recorded.recording_id)
    path = answered(granted, 201)["mediaPath"]
    cookie, *attributes = (part.strip() for part in granted.headers["set-cookie"].split(";"))
    assert cookie.startswith("__Host-")
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= {each.lower() for each in attributes}
    nobody = callward.nobody(callward.doors.access)
    heard = nobody.get(path, headers={"Cookie": cookie, "Range": "bytes=0-99"})
    assert (heard.status_code, heard.content) == (206, recorded.audio[:100])
    assert saw(nobody.get(path)) == (401, "token-missing")
    changed = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    assert saw(nobody.get(path, headers={"Cookie": changed})) == (401, "token-missing")
    other = media(callward.person(), recorded.recording_id)
    assert saw(nobody.get(other, headers={"Cookie": cookie})) == (401, "token-missing")


def test_an_ended_session_serves_nothing(callward: Callward, recorded: Recorded) -> None:
    person = callward.person()
    granted = session(person, recorded.recording_id)
    assert person.delete(f"/v1/listening-sessions/{granted['sessionId']}").status_code == 204
    assert saw(person.get(granted["mediaPath"])) == (404, "listening-session-not-found")


def test_a_session_is_its_persons_alone(callward: Callward, recorded: Recorded, path: str) -> None:
    assert callward.person(name="agent").get(path).status_code in (403, 404)


def test_a_view_opens_what_was_sealed(callward: Callward, recorded: Recorded) -> None:
    person = callward.person()
    viewed = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": PURPOSE})
    opened = answered(viewed, 200)
    sent = call_body()
    for text in ("+14155550100", "+15125550142", sent["patientReference"], sent["agentId"], sent["notes"]):
        assert text in viewed.text
    assert opened["recording"]["recordingId"] == recorded.recording_id
    unstated = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={})
    assert saw(unstated) == (403, "purpose-required")
    unknown = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": "CURIOSITY"})
    assert saw(unknown) == (400, "unknown-purpose")


def test_a_list_is_paged_and_names_nobody(callward: Callward) -> None:
    person = callward.person()
    made = [record(callward, audio=wav(0.2, seed=seed)).recording_id for seed in range(3)]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = person.get("/v1/recordings", params={"pageSize": 2, "cursor": cursor})
        page = answered(answer, 200)
        assert not any(text in answer.text for text in IDENTIFYING)
        seen += [item["recordingId"] for item in page["recordings"]]
        assert len(page["recordings"]) <= 2
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in made] == made[::-1]


def test_two_tenants_side_by_side(callward: Callward) -> None:
    ours, theirs = record(callward, HOSPITAL, wav(seed=2)), record(callward, CLINIC, wav(seed=3))
    for tenant, own, other in ((HOSPITAL, ours, theirs), (CLINIC, theirs, ours)):
        person = callward.person(tenant)
        heard = person.get(media(person, own.recording_id), headers={"Range": "bytes=0-70000"})
        assert heard.content == own.audio[:70_001]
        assert saw(ask_to_listen(person, other.recording_id)) == (404, "recording-not-found")
        listed = person.get("/v1/recordings", params={"pageSize": 200}).text
        assert own.recording_id in listed
        assert other.recording_id not in listed


def test_a_revocation_after_sealing_stops_playback(callward: Callward) -> None:
    recorded, person = record(callward), callward.person()
    granted = session(person, recorded.recording_id)
    platform = callward.call_platform()
    revoked = platform.post(f"/v1/calls/{recorded.call_id}/revocations", json=REVOCATION)
    assert answered(revoked, 201)["decision"]["outcome"] == "revoked"
    assert saw(ask_to_listen(person, recorded.recording_id)) == (403, "consent-forbids")
    assert saw(person.get(granted["mediaPath"])) == (403, "consent-forbids")
