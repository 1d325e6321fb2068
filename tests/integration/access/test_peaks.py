"""Peaks over the door: where the session says, for its holder, never cached, each time under a grant of their own."""

from dataclasses import replace

import httpx
import pytest

from callward.consent.v1 import consent_pb2
from callward_common.events.options import is_enforced
from tests.integration.access.test_refusals import slug
from tests.integration.access.world import PEAKS, World
from tests.support.tenants import MERCY
from tests.unit.access.sealing import TENANT


async def test_the_session_says_where_the_peaks_are(access: World) -> None:
    with_peaks = (await access.opened(await access.add())).json()
    assert with_peaks["peaksPath"] == f"/v1/listening-sessions/{with_peaks['sessionId']}/peaks"
    without = (await access.opened(await access.add(peaks=None))).json()
    assert without["peaksPath"] is None
    path = without["mediaPath"].replace("/media", "/peaks")
    answer = await access.call("GET", path)
    assert (answer.status_code, slug(answer)) == (404, "no-such-rendition")
    assert (await access.call("HEAD", path)).status_code == 404
    assert access.opener.seen == []
    denied = await access.events("AccessDenied", 2)
    assert [event.reason for event in denied] == ["no-such-rendition"] * 2


async def test_peaks_by_bearer_token_with_a_grant_before_the_key(access: World) -> None:
    recording = await access.add(pace=1)
    session = (await access.opened(recording)).json()
    answer = await access.call("GET", session["peaksPath"])
    assert (answer.status_code, answer.content == PEAKS) == (200, True)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(PEAKS))
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["accept-ranges"] == "none"
    assert answer.headers["etag"] == recording.etag("peaks")
    (request,) = access.opener.seen
    assert (request.rendition, request.purpose, request.tenant_id) == ("peaks", "HOPERAT", TENANT)
    assert access.opener.durable == [True]
    grants = await access.events("AccessGranted", 2)
    assert [grant.rendition for grant in grants] == ["original", "peaks"]
    assert {grant.session_id for grant in grants} == {session["sessionId"]}
    assert is_enforced(grants[1])
    envelopes = {each.id: each for each in access.bus.published}
    assert envelopes[request.grant_event_id].message() == grants[1]
    (served,) = await access.events("MediaServed")
    assert (served.rendition, served.byte_count) == ("peaks", len(PEAKS))


async def test_a_range_and_what_a_client_has_already_are_not_looked_at(access: World) -> None:
    """Nothing may be kept, so there is nothing to be compared with; RFC 9110 lets a server ignore a Range."""
    path = (await access.opened(await access.add())).json()["peaksPath"]
    etag = (await access.call("HEAD", path)).headers["etag"]
    assert access.opener.seen == []
    for headers in ({"Range": "bytes=0-9"}, {"If-None-Match": etag}, {"Range": "bytes=99999999-"}):
        answer = await access.call("GET", path, access.bearer() | headers)
        assert (answer.status_code, len(answer.content)) == (200, len(PEAKS))


async def test_head_says_what_a_get_would_serve(access: World) -> None:
    path = (await access.opened(await access.add())).json()["peaksPath"]
    head, get = await access.call("HEAD", path), await access.call("GET", path)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "cache-control", "accept-ranges"):
        assert head.headers[name] == get.headers[name]


async def test_the_sessions_own_cookie_opens_them_and_no_other(access: World) -> None:
    first, second = await access.opened(await access.add()), await access.opened(await access.add())
    cookies = {name: value for name, value in second.cookies.items()}  # noqa: C416  # httpx.Cookies is no dict
    assert access.service.http is not None
    transport = httpx.ASGITransport(access.service.http)
    async with httpx.AsyncClient(transport=transport, base_url="https://access", cookies=cookies) as client:
        own = await client.get(second.json()["peaksPath"])
        assert (own.status_code, own.content == PEAKS) == (200, True)
        other = await client.get(first.json()["peaksPath"])
        assert (other.status_code, slug(other)) == (401, "token-missing")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_quarantined_or_revoked_meanwhile_stays_closed(access: World, method: str) -> None:
    recording = await access.add()
    path = (await access.opened(recording)).json()["peaksPath"]
    access.decider.outcome = consent_pb2.DECISION_OUTCOME_REVOKED
    answer = await access.call(method, path)
    assert answer.status_code == 403
    access.decider.outcome = consent_pb2.DECISION_OUTCOME_PERMIT
    # What was sealed when the session was opened is quarantined now.
    summary = replace(recording.summary, state="quarantined")
    access.reader.known[MERCY.tenant_id, recording.summary.recording_id] = replace(recording, summary=summary)
    answer = await access.call(method, path)
    assert answer.status_code == 403
    denied = await access.events("AccessDenied", 2)
    assert [list(event.policies) for event in denied] == [
        ["forbid-media-without-consent"],
        ["forbid-media-in-quarantine"],
    ]
    assert access.opener.seen == []


async def test_a_closed_session_has_no_peaks(access: World) -> None:
    session = (await access.opened(await access.add())).json()
    await access.call("DELETE", f"/v1/listening-sessions/{session['sessionId']}")
    answer = await access.call("GET", session["peaksPath"])
    assert (answer.status_code, slug(answer)) == (404, "listening-session-not-found")


async def test_peaks_that_are_not_what_was_sealed_give_no_byte(access: World) -> None:
    recording = await access.add()
    path = (await access.opened(recording)).json()["peaksPath"]
    other = await access.add()
    changed = replace(recording, manifest=other.manifest)
    access.reader.known[MERCY.tenant_id, recording.summary.recording_id] = changed
    answer = await access.call("GET", path)
    assert (answer.status_code, slug(answer)) == (500, "integrity-failure")
    (denied,) = await access.events("AccessDenied")
    assert denied.recording_id == recording.summary.recording_id
