"""Bad input at the door: each kind has its problem type, and leaves nothing behind."""

import asyncio
import base64
import hashlib
import re
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from callward.ingest.v1.events_pb2 import IngestAccessDenied
from callward_common.errors import Forbidden, InvalidRequest
from callward_common.ids import new_id
from callward_ingest.http import answers
from tests.integration.ingest.world import World
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav

SIZE = len(wav())


def slug(response: Any) -> str:
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    return str(problem["type"].removeprefix("urn:callward:problem:"))


async def nothing_kept(ingest: World) -> None:
    assert not ingest.objects()
    assert not await ingest.rows("SELECT 1 FROM manifests")
    assert not await ingest.rows("SELECT 1 FROM recordings WHERE state <> 'abandoned'")
    assert not await ingest.rows("SELECT 1 FROM idempotency")
    recordings = {
        str(row["recording_id"]) for row in await ingest.rows("SELECT recording_id FROM recordings")
    }
    assert {ingest.keys.states[subject] for subject in recordings & set(ingest.keys.states)} <= {
        "shred_pending"
    }


async def test_whoever_may_not_pass_is_refused_and_put_on_record(ingest: World) -> None:
    expired = int(ingest.clock.now().timestamp()) - 3600
    cases: list[tuple[dict[str, str], int, str, str]] = [
        ({}, 401, "token-missing", ""),
        ({"Authorization": "Bearer not-a-token"}, 401, "token-invalid", ""),
        (ingest.bearer(exp=expired, iat=expired - 60), 401, "token-expired", ""),
        (ingest.bearer(ingest.people), 401, "token-invalid", ""),
        ({"Authorization": ingest.mercy.bearer("another-audience")}, 401, "token-invalid", ""),
        (ingest.bearer(scope="recordings:write"), 403, "scope-missing", MERCY.tenant_id),
    ]
    for headers, status, reason, _ in cases:
        answer = await ingest.client.post("/v1/calls", content=b"{not json", headers=headers)
        assert (answer.status_code, slug(answer)) == (status, reason)
        assert "Bearer" in answer.headers["www-authenticate"]
    denied = [(IngestAccessDenied.FromString(data), tenant) for _, tenant, data in await ingest.events()]
    assert [(event.reason, tenant) for event, tenant in denied] == [(c[2], c[3]) for c in cases]
    assert {event.action for event, _ in denied} == {"open_call"}
    assert denied[-1][0].actor.id == "pbx-1"


async def test_every_route_but_the_public_keys_needs_a_token_and_its_scope(ingest: World) -> None:
    assert ingest.service.http is not None
    described = ingest.service.http.openapi()
    assert described["openapi"].startswith("3.1")
    routes = [
        (method.upper(), re.sub(r"\{\w+\}", lambda _: new_id(), path))
        for path, operations in described["paths"].items()
        for method in operations
        if path != "/.well-known/jwks.json"
    ]
    assert len(routes) > 30
    for method, path in routes:
        missing = await ingest.client.request(method, path)
        refused = await ingest.client.request(method, path, headers=ingest.bearer(scope="another:scope"))
        assert (missing.status_code, refused.status_code) == (401, 403), (method, path)
        if method != "HEAD":
            assert (slug(missing), slug(refused)) == ("token-missing", "scope-missing")


@pytest.mark.parametrize("pool_size", [1])
async def test_another_tenants_ids_are_not_found(ingest: World) -> None:
    call_id = await ingest.opened()
    recording_id = (await ingest.upload(call_id)).json()["recordingId"]
    evidence = {
        "kind": "announcement",
        "partyId": "patient",
        "scriptId": "s",
        "givenAt": "2026-11-24T08:50:00Z",
    }
    revocation = {"partyId": "patient", "revokedAt": "2026-11-24T08:50:00Z"}
    end = {"endedAt": "2026-11-24T08:55:00Z"}
    for issuer, expected in ((ingest.other, 404), (ingest.mercy, 200), (ingest.other, 404)):
        headers = ingest.bearer(issuer)
        for path in (
            f"/v1/calls/{call_id}",
            f"/v1/recordings/{recording_id}",
            f"/v1/receipts/{recording_id}",
        ):
            assert (await ingest.client.get(path, headers=headers)).status_code == expected
        if expected == 404:
            for path, body in (("evidence", evidence), ("revocations", revocation), ("end", end)):
                refused = await ingest.client.post(f"/v1/calls/{call_id}/{path}", json=body, headers=headers)
                assert (refused.status_code, slug(refused)) == (404, "call-not-found")
            sent = headers | {"Content-Type": "audio/wav", "Idempotency-Key": "theirs"}
            refused = await ingest.client.post(f"/v1/recordings?call={call_id}", content=wav(), headers=sent)
            assert (refused.status_code, slug(refused)) == (404, "call-not-found")
    assert not any(type(message).__name__ == "RevokeConsentRequest" for message in ingest.consent.switch.seen)
    # The other tenant's use of a key says nothing about ours.
    assert (await ingest.upload(call_id, key="theirs")).status_code == 201


TEXTS = ["queue", "patientReference", "agentId", "notes"]
EVIL = ["a\x00b", "a\nb", "a\x1b[31mb", "a\u2028b", "x" * 100_000, "x" * 4001]


@pytest.mark.parametrize("evil", EVIL, ids=["nul", "newline", "escape", "separator", "huge", "long"])
async def test_control_characters_and_long_texts_are_refused_without_an_echo(
    ingest: World, evil: str
) -> None:
    good = await ingest.opened()
    bodies: list[tuple[str, dict[str, Any], str]] = [
        ("/v1/calls", ingest.call_body(**{name: evil}), f"/{name}") for name in TEXTS
    ]
    for name in ("partyId", "telephone", "role"):
        parties = ingest.call_body()["parties"]
        parties[1][name] = evil
        bodies.append(("/v1/calls", ingest.call_body(parties=parties), f"/parties/1/{name}"))
    parties = ingest.call_body()["parties"]
    parties[1]["jurisdictions"] = [evil]
    bodies.append(("/v1/calls", ingest.call_body(parties=parties), "/parties/1/jurisdictions"))
    evidence = {"kind": "announcement", "partyId": "patient", "givenAt": "2026-11-24T08:50:00Z"}
    bodies += [
        (f"/v1/calls/{good}/evidence", evidence | {name: evil}, f"/{name}")
        for name in ("partyId", "scriptId", "scriptVersion", "formReference", "kind", "givenAt")
    ]
    revocation = {"partyId": evil, "revokedAt": "2026-11-24T08:50:00Z"}
    bodies.append((f"/v1/calls/{good}/revocations", revocation, "/partyId"))
    for path, body, pointer in bodies:
        refused = await ingest.post(path, body)
        if len(evil) > 64 * 1024:
            assert refused.status_code == 413, path
        else:
            assert (refused.status_code, slug(refused)) == (400, "invalid-request"), pointer
            assert any(error["pointer"].startswith(pointer) for error in refused.json()["errors"]), (
                refused.text
            )
        assert evil not in refused.text
        assert "xxxx" not in refused.text
        assert "a\\" not in refused.text
    assert len(await ingest.rows("SELECT 1 FROM calls")) == 1


async def test_the_form_of_json_is_held_to(ingest: World) -> None:
    unknown = await ingest.post("/v1/calls", ingest.call_body(surpriseField="hello"))
    assert (unknown.status_code, slug(unknown)) == (400, "invalid-request")
    assert "surpriseField" not in unknown.text
    broken = await ingest.client.post(
        "/v1/calls", content=b"{", headers=ingest.bearer() | {"Content-Type": "application/json"}
    )
    assert (broken.status_code, slug(broken)) == (400, "invalid-request")
    form = await ingest.client.post("/v1/calls", data={"queue": "x"}, headers=ingest.bearer())
    assert form.status_code in (400, 415)
    missing = await ingest.post("/v1/calls", {})
    assert {error["pointer"] for error in missing.json()["errors"]} >= {"/queue", "/parties", "/startedAt"}
    assert slug(await ingest.client.get("/v1/nothing", headers=ingest.bearer())) == "not-found"
    assert (await ingest.client.delete("/v1/calls", headers=ingest.bearer())).status_code == 405
    assert slug(await ingest.client.get("/v1/calls/abc", headers=ingest.bearer())) == "invalid-request"


async def test_dates_in_the_future_and_unlisted_jurisdictions_are_refused(ingest: World) -> None:
    late = await ingest.post("/v1/calls", ingest.call_body(startedAt="2026-11-24T09:06:00Z"))
    assert (late.status_code, slug(late), late.json()["pointer"]) == (400, "date-in-future", "/startedAt")
    parties = ingest.call_body()["parties"]
    parties[1]["jurisdictions"] = ["ZZ"]
    unlisted = await ingest.post("/v1/calls", ingest.call_body(parties=parties))
    assert (unlisted.status_code, slug(unlisted)) == (400, "unknown-jurisdiction")
    call_id = await ingest.opened()
    path = f"/v1/calls/{call_id}"
    future = "2026-11-24T10:00:00Z"
    evidence = {"kind": "announcement", "partyId": "patient", "scriptId": "s", "givenAt": future}
    for name, body in (
        ("evidence", evidence),
        ("revocations", {"partyId": "patient", "revokedAt": future}),
        ("end", {"endedAt": future}),
    ):
        refused = await ingest.post(f"{path}/{name}", body)
        assert (refused.status_code, slug(refused)) == (400, "date-in-future")
    early = await ingest.post(f"{path}/end", {"endedAt": "2026-11-24T08:00:00Z"})
    assert (early.status_code, slug(early)) == (400, "date-before-call")
    assert (await ingest.post(f"{path}/end", {"endedAt": "2026-11-24T08:58:00Z"})).status_code == 200
    assert (await ingest.post(f"{path}/end", {"endedAt": "2026-11-24T08:58:00Z"})).status_code == 200
    other = await ingest.post(f"{path}/end", {"endedAt": "2026-11-24T08:59:00Z"})
    assert (other.status_code, slug(other)) == (409, "call-already-ended")


@pytest.mark.parametrize("settings", [{"max_parties": 3, "max_notes_characters": 10}], indirect=True)
async def test_limits_of_a_call_are_settings(ingest: World) -> None:
    parties = [{"partyId": f"p{n}", "role": "other"} for n in range(4)]
    refused = await ingest.post("/v1/calls", ingest.call_body(parties=parties, notes="short"))
    assert (slug(refused), refused.json()["errors"][0]["pointer"]) == ("invalid-request", "/parties")
    refused = await ingest.post("/v1/calls", ingest.call_body(notes="x" * 11))
    assert (slug(refused), refused.json()["errors"][0]["pointer"]) == ("invalid-request", "/notes")
    assert (
        await ingest.post("/v1/calls", ingest.call_body(parties=parties[:3], notes="x" * 10))
    ).status_code == 201


async def test_uploads_that_are_announced_wrongly_are_refused(ingest: World) -> None:
    call_id = await ingest.opened()
    wrong = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
    cases: list[tuple[dict[str, str], int, str]] = [
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported-media-type"),
        ({"Content-Type": "video/mp4"}, 415, "unsupported-media-type"),
        ({"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
        ({"Idempotency-Key": "two words"}, 400, "invalid-request"),
        ({"Idempotency-Key": "x" * 256}, 400, "invalid-request"),
        ({"Expect": "magic"}, 400, "invalid-request"),
        ({"Content-Digest": "sha-256=nonsense"}, 400, "invalid-request"),
        ({"Content-Digest": f"sha-256=:{wrong}:"}, 400, "digest-mismatch"),
        ({"Repr-Digest": f"sha-256=:{wrong}:"}, 400, "digest-mismatch"),
    ]
    for headers, status, reason in cases:
        refused = await ingest.upload(call_id, **headers)
        assert (refused.status_code, slug(refused)) == (status, reason), headers
    without = ingest.bearer() | {"Content-Type": "audio/wav"}
    refused = await ingest.client.post(f"/v1/recordings?call={call_id}", content=wav(), headers=without)
    assert (refused.status_code, slug(refused)) == (400, "idempotency-key-required")
    refused = await ingest.client.post("/v1/recordings", content=wav(), headers=without)
    assert (refused.status_code, slug(refused)) == (400, "invalid-request")
    refused = await ingest.upload(new_id())
    assert (refused.status_code, slug(refused)) == (404, "call-not-found")
    await nothing_kept(ingest)
    abandoned = [kind for kind, _, _ in await ingest.events()].count("UploadAbandoned")
    assert abandoned == 2


@pytest.mark.parametrize("settings", [{"max_body_bytes": SIZE}], indirect=True)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not(ingest: World, announced: bool) -> None:
    call_id = await ingest.opened()

    def body(content: bytes) -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            yield content[:100]
            yield content[100:]

        return content if announced else pieces()

    refused = await ingest.upload(call_id, body(wav() + b"x"))
    assert (refused.status_code, slug(refused)) == (413, "body-too-large")
    assert refused.json()["limit"] == SIZE
    await nothing_kept(ingest)
    taken = await ingest.upload(call_id, body(wav()))
    assert (taken.status_code, taken.json()["state"]) == (201, "sealed")


def lying() -> bytes:
    content = bytearray(wav())
    content[40:44] = struct.pack("<I", 10**6)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"MZ\x90\x00 no sound at all", "not-audio"), (lying(), "length-mismatch")],
    ids=["zero-bytes", "not-audio", "lying-header"],
)
async def test_unfit_media_is_kept_apart_with_its_reasons(ingest: World, content: bytes, reason: str) -> None:
    call_id = await ingest.opened()
    taken = await ingest.upload(call_id, content)
    assert taken.status_code == 201
    body = answers.RecordingTaken.model_validate(taken.json())
    assert body.state == "quarantined"
    assert reason in body.reasons
    kind = (await ingest.events())[-1][0]
    assert kind == "RecordingQuarantined"
    assert len(ingest.objects()) >= 2
    assert ingest.keys.states[body.recording_id] == "sealed"


@pytest.mark.parametrize("settings", [{"body_idle_timeout": 0.2}], indirect=True)
async def test_a_silent_sender_is_cut_off(ingest: World) -> None:
    call_id = await ingest.opened()

    async def silent() -> AsyncIterator[bytes]:
        yield wav()[:100]
        await asyncio.Event().wait()

    refused = await ingest.upload(call_id, silent())
    assert (refused.status_code, slug(refused)) == (408, "body-timeout")
    await nothing_kept(ingest)


async def test_a_reference_that_can_have_no_pseudonym_is_the_senders_to_mend(ingest: World) -> None:
    ingest.keys.switch.failing["Pseudonymise"] = InvalidRequest("A patient's reference is blank.")
    refused = await ingest.post("/v1/calls", ingest.call_body(patientReference="   "))
    assert (refused.status_code, slug(refused)) == (400, "invalid-request")
    assert not ingest.consent.calls
    assert not ingest.keys.data_keys


async def test_what_neighbours_make_out_among_themselves_is_not_shown(ingest: World) -> None:
    call_id = await ingest.opened()
    ingest.keys.switch.failing["IssueDataKey"] = Forbidden("ingest may not have a key of bucket 7")
    refused = await ingest.upload(call_id)
    assert (refused.status_code, slug(refused)) == (500, "internal-error")
    assert "bucket" not in refused.text
