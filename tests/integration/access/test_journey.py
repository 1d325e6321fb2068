"""A supervisor lists, views, listens and ends; each act with its purpose, its right and its record."""

import pytest

from callward_common.events.options import is_enforced
from tests.integration.access.world import CONTENT, METADATA, PHI, World
from tests.support.tenants import PEOPLE_ISSUER
from tests.unit.access.sealing import TENANT

LISTED = {"recordingId", "callId", "state", "queue", "callStartedAt", "sealedAt", "media", "retention"}


async def test_a_list_has_no_identifying_field(access: World) -> None:
    recording = await access.add()
    answer = await access.call("GET", "/v1/recordings?pageSize=10&queue=cardiology")
    assert answer.status_code == 200
    (shown,) = answer.json()["recordings"]
    assert set(shown) == LISTED
    assert shown["recordingId"] == recording.summary.recording_id
    assert shown["callStartedAt"] == "2026-11-24T08:50:00Z"
    assert PHI not in answer.text
    assert "MRN" not in answer.text
    assert answer.json()["nextCursor"] == "next"
    last = await access.call("GET", "/v1/recordings?cursor=next")
    assert last.json()["nextCursor"] is None
    asked = access.reader.seen[0]
    assert (asked.tenant_id, asked.page_size, asked.queue) == (TENANT, 10, "cardiology")
    (listed, _) = await access.events("RecordingsListed", 2)
    assert (listed.count, listed.actor.id, listed.actor.issuer) == (1, "sam", PEOPLE_ISSUER)
    assert access.opener.seen == []


async def test_one_recording_is_shown_as_lists_show_it(access: World) -> None:
    recording = await access.add()
    answer = await access.call("GET", f"/v1/recordings/{recording.summary.recording_id}")
    assert (answer.status_code, set(answer.json())) == (200, LISTED | {"marks", "moreMarks"})
    assert PHI not in answer.text


async def test_a_view_opens_the_metadata_under_a_durable_grant(access: World) -> None:
    recording = await access.add()
    path = f"/v1/recordings/{recording.summary.recording_id}/views"
    answer = await access.call("POST", path, json={"purpose": "TREAT"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["metadata"]["telephone"] == PHI
    assert answer.headers["cache-control"] == "no-store"
    (request,) = access.opener.seen
    assert (request.subject_id, request.metadata, request.purpose) == (
        recording.summary.call_id,
        True,
        "TREAT",
    )
    assert access.opener.durable == [True]
    (granted,) = await access.events("AccessGranted")
    assert (granted.action, granted.purpose, granted.actor.id) == ("view", "TREAT", "sam")
    assert request.grant_event_id in [envelope.id for envelope in access.bus.published]
    assert METADATA not in b"".join(envelope.data for envelope in access.bus.published)
    assert PHI.encode() not in b"".join(envelope.data for envelope in access.bus.published)


async def test_listening_by_bearer_token(access: World) -> None:
    recording = await access.add()
    opened = await access.opened(recording)
    session = opened.json()
    assert session["mediaPath"] == opened.headers["location"]
    assert session["mediaPath"] == f"/v1/listening-sessions/{session['sessionId']}/media"
    assert (session["size"], session["purpose"], session["rendition"]) == (
        len(CONTENT),
        "HOPERAT",
        "original",
    )
    assert session["expiresAt"] == "2026-11-24T10:00:00Z"
    assert access.opener.seen == []

    whole = await access.call("GET", session["mediaPath"])
    assert (whole.status_code, whole.content == CONTENT) == (200, True)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["cache-control"] == "private, no-store"
    assert whole.headers["cross-origin-resource-policy"] == "same-origin"
    assert whole.headers["accept-ranges"] == "bytes"
    (request,) = access.opener.seen
    assert (request.rendition, request.purpose, request.tenant_id) == ("original", "HOPERAT", TENANT)
    assert access.opener.durable == [True]

    (granted,) = await access.events("AccessGranted")
    assert granted.at_most.ToTimedelta() == recording.summary.media.duration
    assert (granted.session_id, granted.action) == (session["sessionId"], "listen")
    (served,) = await access.events("MediaServed")
    assert (served.first_byte, served.byte_count) == (0, len(CONTENT))
    assert is_enforced(granted)

    ended = await access.call("DELETE", f"/v1/listening-sessions/{session['sessionId']}")
    assert ended.status_code == 204
    after = await access.call("GET", session["mediaPath"])
    assert after.json()["type"] == "urn:callward:problem:listening-session-not-found"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=48000-95999", 48_000, 95_999),
        ("bytes=399999-", 399_999, 399_999),
        ("bytes=-1000", 399_000, 399_999),
        ("bytes=99990-100010", 99_990, 100_010),
        ("bytes=65479-65480", 65_479, 65_480),
        ("bytes=0-999999999", 0, 399_999),
    ],
)
async def test_a_range_is_a_206(access: World, header: str, first: int, last: int) -> None:
    path = (await access.opened(await access.add())).json()["mediaPath"]
    answer = await access.call("GET", path, access.bearer() | {"Range": header})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(last - first + 1)


async def test_ranges_beyond_malformed_multiple_and_conditional(access: World) -> None:
    path = (await access.opened(await access.add())).json()["mediaPath"]
    for beyond in ("bytes=400000-", "bytes=-0", "bytes=99999999999999999999999-"):
        answer = await access.call("GET", path, access.bearer() | {"Range": beyond})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */400000")
        assert answer.json()["type"] == "urn:callward:problem:range-not-satisfiable"
    assert access.opener.seen == []
    for ignored in ("bytes=5-2", "bytes=0-1,4-5", "pages=1-2", "nonsense"):
        answer = await access.call("GET", path, access.bearer() | {"Range": ignored})
        assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))
    etag = (await access.call("HEAD", path)).headers["etag"]
    same = await access.call("GET", path, access.bearer() | {"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status_code, same.content) == (206, CONTENT[:10])
    for other in (f"W/{etag}", '"other"', "Tue, 24 Nov 2026 09:00:00 GMT"):
        answer = await access.call("GET", path, access.bearer() | {"Range": "bytes=0-9", "If-Range": other})
        assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


async def test_two_range_headers_are_none(access: World) -> None:
    path = (await access.opened(await access.add())).json()["mediaPath"]
    headers = [*access.bearer().items(), ("Range", "bytes=0-9"), ("Range", "bytes=20-29")]
    answer = await access.call("GET", path, headers)  # type: ignore[arg-type]
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


async def test_head_says_what_the_whole_would_be_and_ignores_a_range(access: World) -> None:
    path = (await access.opened(await access.add())).json()["mediaPath"]
    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=999999999-"}):
        answer = await access.call("HEAD", path, access.bearer() | headers)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert answer.headers["accept-ranges"] == "bytes"
        assert "content-range" not in answer.headers
    assert access.opener.seen == []


async def test_openapi_has_every_route_with_a_problem_response(access: World) -> None:
    answer = await access.call("GET", "/openapi.json", {})
    assert answer.json()["openapi"].startswith("3.1")
    found = {
        (method.upper(), path): operation
        for path, operations in answer.json()["paths"].items()
        for method, operation in operations.items()
    }
    assert set(found) == {
        ("GET", "/v1/recordings"),
        ("GET", "/v1/recordings/{recording_id}"),
        ("POST", "/v1/recordings/{recording_id}/views"),
        ("POST", "/v1/recordings/{recording_id}/downloads"),
        ("POST", "/v1/recordings/{recording_id}/listening-sessions"),
        ("GET", "/v1/listening-sessions/{session_id}/media"),
        ("HEAD", "/v1/listening-sessions/{session_id}/media"),
        ("GET", "/v1/listening-sessions/{session_id}/peaks"),
        ("HEAD", "/v1/listening-sessions/{session_id}/peaks"),
        ("DELETE", "/v1/listening-sessions/{session_id}"),
    }
    for name, operation in found.items():
        assert "application/problem+json" in operation["responses"]["default"]["content"], name
        assert operation["operationId"]
        assert operation["description"], name
