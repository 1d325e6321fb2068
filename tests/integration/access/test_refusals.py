"""Who may not, may not: at every route, with a stable type, and on record."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from callward.audit.v1 import actor_pb2
from callward.consent.v1 import consent_pb2
from callward_common.ids import new_id
from tests.integration.access.world import World, until
from tests.support.tenants import INGEST_AUDIENCE, MERCY
from tests.support.tokens import StaticIssuer

ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/v1/recordings", None),
    ("GET", "/v1/recordings/{recording}", None),
    ("POST", "/v1/recordings/{recording}/views", {"purpose": "TREAT"}),
    ("POST", "/v1/recordings/{recording}/downloads", {"purpose": "TREAT"}),
    ("POST", "/v1/recordings/{recording}/listening-sessions", {"purpose": "TREAT"}),
    ("GET", "/v1/listening-sessions/{session}/media", None),
    ("HEAD", "/v1/listening-sessions/{session}/media", None),
    ("GET", "/v1/listening-sessions/{session}/peaks", None),
    ("HEAD", "/v1/listening-sessions/{session}/peaks", None),
    ("DELETE", "/v1/listening-sessions/{session}", None),
]
NAMES = [f"{method} {path}" for method, path, _ in ROUTES]


async def attempt(
    access: World, route: tuple[str, str, Any], headers: dict[str, str], recording: str, session: str
) -> Any:
    method, path, body = route
    more = {} if body is None else {"json": body}
    return await access.call(method, path.format(recording=recording, session=session), headers, **more)


def slug(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["request_id"] == answer.headers["x-request-id"]
    return str(document["type"]).removeprefix("urn:callward:problem:")


@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
async def test_tokens_that_do_not_count(access: World, route: tuple[str, str, Any]) -> None:
    recording = await access.add()
    session = (await access.opened(recording)).json()["sessionId"]
    stranger = StaticIssuer("https://nobody.example", access.clock)
    forged = StaticIssuer.people(access.clock)
    expired = access.bearer(exp=int(access.clock.now().timestamp()) - 31)
    table: list[tuple[dict[str, str], str]] = [
        ({}, "token-missing"),
        ({"Authorization": "Basic c2FtOnNhbQ=="}, "token-missing"),
        ({"Authorization": "Bearer not.a.token"}, "token-invalid"),
        (access.bearer(forged), "token-invalid"),
        (access.bearer(stranger), "token-invalid"),
        (access.bearer(aud=INGEST_AUDIENCE), "token-invalid"),
        (access.bearer(access.machines), "token-invalid"),
        (access.bearer(access.closed), "token-invalid"),
        (expired, "token-expired"),
        (access.bearer(amr=["pwd"]), "mfa-required"),
        (access.bearer(amr=None), "mfa-required"),
        (access.bearer(amr=["otp", "sms"]), "mfa-required"),
    ]
    for headers, expected in table:
        answer = await attempt(access, route, headers, recording.summary.recording_id, session)
        assert answer.status_code == 401, (headers, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if route[0] != "HEAD":
            assert slug(answer) == expected
        if expected == "mfa-required":
            assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
    denied = await access.events("AccessDenied", len(table))
    assert [event.reason for event in denied] == [expected for _, expected in table]
    kinds = {event.actor.kind for event in denied if event.reason != "mfa-required"}
    assert kinds == {actor_pb2.ACTOR_KIND_ANONYMOUS}
    assert {event.actor.id for event in denied if event.reason == "mfa-required"} == {"sam"}
    assert access.opener.seen == []


@pytest.mark.parametrize("pool_size", [1])
@pytest.mark.parametrize("route", ROUTES, ids=NAMES)
async def test_tenants_in_turns_over_one_connection(access: World, route: tuple[str, str, Any]) -> None:
    """Each sees its own and, on every endpoint, nothing of the other."""
    mine, theirs = await access.add(), await access.add(tenant="other-clinic")
    tokens = {
        "mercy-general": access.bearer(),
        "other-clinic": access.bearer(access.other),
    }
    opened = {}
    for tenant, recording in (("mercy-general", mine), ("other-clinic", theirs)):
        path = f"/v1/recordings/{recording.summary.recording_id}/listening-sessions"
        answer = await access.call("POST", path, tokens[tenant], json={"purpose": "TREAT"})
        opened[tenant] = (recording.summary.recording_id, answer.json()["sessionId"])
    for _ in range(2):
        for caller, owner in (
            ("mercy-general", "other-clinic"),
            ("other-clinic", "mercy-general"),
        ):
            answer = await attempt(access, route, tokens[caller], *opened[owner])
            if route[1] == "/v1/recordings":
                shown = [each["recordingId"] for each in answer.json()["recordings"]]
                assert shown == [opened[caller][0]]
            else:
                assert answer.status_code == 404, (caller, answer.text)
                assert route[0] == "HEAD" or slug(answer).endswith("not-found")
    for caller, headers in tokens.items():
        answer = await attempt(access, route, headers, *opened[caller])
        assert answer.status_code in ((403,) if route[1].endswith("downloads") else (200, 201, 204))


async def test_another_tenants_and_no_recording_look_the_same(access: World) -> None:
    theirs = await access.add(tenant="other-clinic")
    answers = []
    for recording_id in (theirs.summary.recording_id, new_id(), "nonsense"):
        path = f"/v1/recordings/{recording_id}/listening-sessions"
        answer = await access.call("POST", path, json={"purpose": "TREAT"})
        document = answer.json()
        document.pop("request_id")
        answers.append((answer.status_code, document))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 404
    denied = await access.events("AccessDenied", 3)
    assert [event.recording_id for event in denied][2] == ""


async def test_without_a_purpose_and_for_downloads(access: World) -> None:
    recording = await access.add()
    base = f"/v1/recordings/{recording.summary.recording_id}"
    for path in ("views", "downloads", "listening-sessions"):
        for body, status, expected in (
            ({}, 403, "purpose-required"),
            ({"purpose": None}, 403, "purpose-required"),
            ({"purpose": "CURIOSITY"}, 400, "unknown-purpose"),
            ({"purpose": "TREAT", "reason": "x"}, 400, "invalid-request"),
            ({"purpose": "TR\x00EAT"}, 400, "invalid-request"),
            ({"purpose": "T" * 5000}, 400, "invalid-request"),
            ({"purpose": 7}, 400, "invalid-request"),
            ([], 400, "invalid-request"),
        ):
            answer = await access.call("POST", f"{base}/{path}", json=body)
            assert (answer.status_code, slug(answer)) == (status, expected), body
            assert "TTTT" not in answer.text
    answer = await access.call("POST", f"{base}/downloads", json={"purpose": "TREAT"})
    assert (answer.status_code, slug(answer)) == (403, "policy-forbids")
    assert access.opener.seen == []


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/v1/recordings?pageSize=0", 400, "invalid-request"),
        ("/v1/recordings?pageSize=201", 400, "invalid-request"),
        ("/v1/recordings?pageSize=x", 400, "invalid-request"),
        ("/v1/recordings?queue=a%20b", 400, "invalid-request"),
        ("/v1/recordings?queue=%00", 400, "invalid-request"),
        (f"/v1/recordings?cursor={'x' * 513}", 400, "invalid-request"),
        ("/v1/recordings?cursor=anothers", 400, "invalid-cursor"),
        ("/v1/nothing", 404, "not-found"),
        ("/docs", 404, "not-found"),
    ],
)
async def test_bad_queries(access: World, path: str, status: int, expected: str) -> None:
    answer = await access.call("GET", path)
    assert (answer.status_code, slug(answer)) == (status, expected)


async def test_roles_and_consent_and_quarantine(access: World) -> None:
    recording, kept_apart = await access.add(), await access.add(state="quarantined")

    async def listen(recording_id: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        path = f"/v1/recordings/{recording_id}/listening-sessions"
        answer = await access.call("POST", path, headers, json={"purpose": "TREAT"})
        return answer.status_code, slug(answer)

    agent = access.bearer(roles=["agent"])
    assert await listen(recording.summary.recording_id, agent) == (403, "policy-forbids")
    assert await listen(kept_apart.summary.recording_id) == (403, "policy-forbids")
    access.decider.outcome = consent_pb2.DECISION_OUTCOME_REVOKED
    assert await listen(recording.summary.recording_id) == (403, "consent-forbids")
    denied = await access.events("AccessDenied", 3)
    assert [list(event.policies) for event in denied] == [
        [],
        ["forbid-media-in-quarantine"],
        ["forbid-media-without-consent"],
    ]


async def test_consent_revoked_after_the_grant_serves_nothing(access: World) -> None:
    path = (await access.opened(await access.add())).json()["mediaPath"]
    access.decider.outcome = consent_pb2.DECISION_OUTCOME_REVOKED
    answer = await access.call("GET", path)
    assert (answer.status_code, slug(answer)) == (403, "consent-forbids")
    assert access.opener.seen == []


async def test_audit_that_stands_still_opens_nothing(access: World) -> None:
    recording = await access.add()
    access.audit.stand_still()
    path = (await access.opened(recording)).json()["mediaPath"]
    # The grant is not covered, but young: what was granted may begin.
    assert (await access.call("GET", path, access.bearer() | {"Range": "bytes=0-9"})).status_code == 206
    access.clock.advance(timedelta(seconds=31))
    await access.heard()
    opened = len(access.opener.seen)
    again = f"/v1/recordings/{recording.summary.recording_id}/listening-sessions"
    for answer in (
        await access.call("GET", path),
        await access.call("POST", again, json={"purpose": "TREAT"}),
        await access.call("POST", again.replace("listening-sessions", "views"), json={"purpose": "TREAT"}),
    ):
        assert (answer.status_code, slug(answer)) == (503, "audit-unavailable")
        assert answer.headers["retry-after"] == "5"
    assert len(access.opener.seen) == opened
    access.audit.stands_still_at = None

    async def opens() -> bool:
        return (await access.call("GET", path, access.bearer() | {"Range": "bytes=0-9"})).status_code == 206

    await until(opens)


async def test_a_grant_that_cannot_be_written_leaves_no_session_and_opens_nothing(access: World) -> None:
    recording = await access.add()
    await access.rows(f'REVOKE INSERT ON outbox FROM "{access.urls.run_role}"')
    base = f"/v1/recordings/{recording.summary.recording_id}"
    for path in ("listening-sessions", "views"):
        answer = await access.call("POST", f"{base}/{path}", json={"purpose": "TREAT"})
        assert (answer.status_code, slug(answer)) == (500, "internal-error")
    assert await access.rows("SELECT 1 FROM listening_sessions", tenant=MERCY.tenant_id) == []
    assert access.opener.seen == []


async def test_a_database_that_is_gone_between_grant_and_media_serves_no_byte(
    access: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = await access.add()
    path = (await access.opened(recording)).json()["mediaPath"]
    nowhere = create_async_engine("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/none")
    with monkeypatch.context() as patch:
        patch.setattr(access.db, "engine", nowhere)
        answer = await access.call("GET", path)
        assert (answer.status_code, slug(answer)) == (503, "database-unavailable")
        assert access.opener.seen == []
    await nowhere.dispose()


async def test_a_manifest_that_was_changed_plays_nothing(access: World) -> None:
    recording = await access.add()
    path = (await access.opened(recording)).json()["mediaPath"]
    other = await access.add()
    swapped = replace(recording, manifest=other.manifest)
    access.reader.known[MERCY.tenant_id, recording.summary.recording_id] = swapped
    answer = await access.call("GET", path)
    assert (answer.status_code, slug(answer)) == (500, "integrity-failure")
    (denied,) = await access.events("AccessDenied")
    assert (denied.reason, denied.recording_id) == ("integrity-failure", recording.summary.recording_id)


async def test_listening_sessions_show_their_own_tenants_rows_only(access: World) -> None:
    await access.opened(await access.add())
    assert len(await access.rows("SELECT 1 FROM listening_sessions", tenant=MERCY.tenant_id)) == 1
    assert await access.rows("SELECT 1 FROM listening_sessions", tenant="other-clinic") == []
    assert await access.rows("SELECT 1 FROM listening_sessions") == []
