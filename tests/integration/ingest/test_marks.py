"""Legs and control marks through the door: signed, on record for good, and silence in what is kept."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from callward.ingest.v1 import manifest_pb2
from callward.ingest.v1.events_pb2 import ControlMarkRecorded, RecordingSealed
from callward_cli.verify.keys import read_keys
from callward_cli.verify.mark import verify_mark
from callward_common.ids import new_id
from callward_crypto.keys import associated_data, derive_subkey, open_small, rendition_label
from callward_ingest.http.answers import RecordingTaken
from callward_ingest.http.legs import LegAnswer, LegList
from callward_ingest.http.marks import MarkPage, MarkTaken
from tests.integration.ingest.neighbours import Gate
from tests.integration.ingest.test_reader import Get, ask
from tests.integration.ingest.world import World
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav

#: The call of these tests starts at 08:50; the clock stands at 09:00.
CLOCK = "2026-11-24T08:51:00Z"
FRAME = 2  # bytes: mu-law, two channels, 8000 frames a second
HEADER = 44


def moment(seconds: float) -> str:
    """RFC 3339, in seconds of a recording that starts at CLOCK."""
    return f"2026-11-24T08:51:{seconds:09.6f}Z"


async def mark(ingest: World, call_id: str, kind: str, at: str, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": more.pop("key")} if "key" in more else {}
    body = {"kind": kind, "at": at, **more}
    return await ingest.post(f"/v1/calls/{call_id}/marks", body, **headers)


async def taken(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(
    ingest: World, call_id: str, content: Any, key: str = "upload-1", **query: str
) -> dict[str, Any]:
    answer = await ingest.client.post(
        "/v1/recordings",
        params={"call": call_id, **query},
        content=content,
        headers=ingest.bearer() | {"Content-Type": "audio/wav", "Idempotency-Key": key},
    )
    body = await taken(answer)
    RecordingTaken.model_validate(body)
    return body


async def manifest_of(ingest: World, recording_id: str) -> manifest_pb2.Manifest:
    rows = await ingest.rows("SELECT manifest FROM manifests")
    found = [manifest_pb2.Manifest.FromString(row["manifest"]) for row in rows]
    return next(each for each in found if each.recording_id == recording_id)


async def plaintext(ingest: World, recording_id: str) -> bytes:
    """What is kept of a recording, opened."""
    parts = next(
        r for r in (await manifest_of(ingest, recording_id)).renditions if r.name == "original"
    ).parts
    key = derive_subkey(ingest.keys.data_keys[recording_id], rendition_label("original"))
    opened = bytearray()
    for number, part in enumerate(parts):
        stored = next(c for c in ingest.objects() if hashlib.sha256(c).digest() == part.ciphertext_sha256)
        opened += open_small(key, associated_data(MERCY.tenant_id, recording_id, "original", number), stored)
    return bytes(opened)


def silenced(content: bytes, *ranges: tuple[float, float]) -> bytes:
    out = bytearray(content)
    for start, end in ranges:
        a, b = (HEADER + round(each * 8000) * FRAME for each in (start, end))
        out[a:b] = b"\xff" * (b - a)
    return bytes(out)


async def test_a_mark_is_a_signed_statement_whose_hash_is_on_record(ingest: World) -> None:
    call_id = await ingest.opened()
    leg = await taken(await ingest.post(f"/v1/calls/{call_id}/legs", {"legId": "agent", "startedAt": CLOCK}))
    LegAnswer.model_validate(leg)
    body = await taken(
        await mark(ingest, call_id, "mask", moment(1.000_001), reason="card-data", legId="agent", key="m-1")
    )
    MarkTaken.model_validate(body)
    assert (body["position"], body["legId"], body["at"]) == (1, "agent", moment(1.000_001))
    published = (await ingest.client.get("/.well-known/jwks.json")).json()
    statement = jwt.decode(body["statement"], KeySet.import_key_set(published), ["EdDSA"])
    assert statement.header["typ"] == "callward-mark+jws"
    assert statement.claims["mark_id"] == body["markId"]
    assert statement.claims["at"] == moment(1.000_001)
    report = verify_mark(body["statement"], read_keys(published), None)
    assert (report.good, report.facts["reason"]) == (True, "card-data")
    kind, tenant, data = (await ingest.events())[-1]
    event = ControlMarkRecorded.FromString(data)
    assert (kind, tenant) == ("ControlMarkRecorded", MERCY.tenant_id)
    assert event.statement_sha256 == hashlib.sha256(body["statement"].encode()).digest()
    assert (event.call_id, event.leg_id, event.reason) == (call_id, "agent", "card-data")
    row = (await ingest.rows("SELECT event_id::text AS id, enforced FROM outbox ORDER BY id DESC LIMIT 1"))[0]
    assert (row["id"], row["enforced"]) == (statement.claims["event_id"], True)
    again = await mark(
        ingest, call_id, "mask", moment(1.000_001), reason="card-data", legId="agent", key="m-1"
    )
    assert (again.json(), again.headers["idempotent-replayed"]) == (body, "true")


async def test_marks_and_legs_are_listed_in_order_and_counted(ingest: World) -> None:
    call_id = await ingest.opened()
    for name in ("a", "b"):
        await taken(await ingest.post(f"/v1/calls/{call_id}/legs", {"legId": name, "startedAt": CLOCK}))
    for second in (5, 1, 3):
        await taken(await mark(ingest, call_id, "transfer", moment(second), legId="b"))
    path, seen = f"/v1/calls/{call_id}/marks", list[str]()
    cursor: str | None = ""
    while cursor is not None:
        page = await ingest.client.get(path, params={"limit": 2, "cursor": cursor}, headers=ingest.bearer())
        MarkPage.model_validate(page.json())
        seen += [each["at"] for each in page.json()["marks"]]
        cursor = page.json()["nextCursor"]
    assert seen == [moment(5), moment(1), moment(3)]
    legs = (await ingest.client.get(f"/v1/calls/{call_id}/legs", headers=ingest.bearer())).json()
    LegList.model_validate(legs)
    assert [leg["legId"] for leg in legs["legs"]] == ["a", "b"]
    shown = (await ingest.client.get(f"/v1/calls/{call_id}", headers=ingest.bearer())).json()
    assert (shown["legs"], shown["marks"]) == (2, 3)
    other = await ingest.opened()
    first = await ingest.client.get(path, params={"limit": 2}, headers=ingest.bearer())
    wrong = await ingest.client.get(
        f"/v1/calls/{other}/marks",
        params={"cursor": first.json()["nextCursor"]},
        headers=ingest.bearer(),
    )
    assert (wrong.status_code, wrong.json()["type"]) == (400, "urn:callward:problem:invalid-cursor")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"kind": "erase", "at": CLOCK}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK}, 400, "invalid-request"),
        ({"kind": "pause", "at": CLOCK}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK, "reason": "MRN-4711"}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK, "reason": "4111111111111111"}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK, "reason": "Card number of Jane"}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK, "reason": "a-" * 40}, 400, "invalid-request"),
        ({"kind": "mask", "at": CLOCK, "reason": "card", "until": CLOCK}, 400, "invalid-request"),
        ({"kind": "pause", "at": CLOCK, "reason": "card", "until": moment(5)}, 400, "invalid-request"),
        ({"kind": "leg-added", "at": CLOCK}, 400, "invalid-request"),
        ({"kind": "transfer", "at": "yesterday"}, 400, "invalid-request"),
        ({"kind": "transfer", "at": CLOCK, "note": "x"}, 400, "invalid-request"),
        ({"kind": "transfer", "at": "2026-11-24T09:06:00Z"}, 400, "date-in-future"),
        ({"kind": "transfer", "at": "2026-11-24T08:49:59Z"}, 400, "date-before-call"),
        ({"kind": "transfer", "at": CLOCK, "legId": "nobody"}, 404, "leg-not-found"),
        ({"kind": "unmask", "at": CLOCK}, 409, "mark-out-of-order"),
        ({"kind": "resume", "at": CLOCK}, 409, "mark-out-of-order"),
        (
            {"kind": "mask", "at": CLOCK, "reason": "card", "until": "2026-11-24T09:06:01Z"},
            400,
            "mask-too-long",
        ),
    ],
)
async def test_a_mark_that_does_not_fit_is_refused_by_name(
    ingest: World, body: dict[str, Any], status: int, slug: str
) -> None:
    call_id = await ingest.opened()
    answer = await ingest.post(f"/v1/calls/{call_id}/marks", body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:callward:problem:{slug}")
    assert "Jane" not in answer.text
    assert not await ingest.rows("SELECT 1 FROM marks")
    assert not [each for each in ingest.keys.switch.seen if type(each).__name__ == "SignMarkRequest"]


async def test_another_tenants_call_is_not_found(ingest: World) -> None:
    call_id = await ingest.opened()
    await taken(await mark(ingest, call_id, "hold", CLOCK))
    foreign = ingest.bearer(ingest.other)
    for method, path, body in (
        ("POST", "marks", {"kind": "hold", "at": CLOCK}),
        ("GET", "marks", None),
        ("POST", "legs", {"startedAt": CLOCK}),
        ("GET", "legs", None),
    ):
        for whose in (call_id, new_id()):
            answer = await ingest.client.request(
                method, f"/v1/calls/{whose}/{path}", json=body, headers=foreign
            )
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:callward:problem:call-not-found")
    assert len(await ingest.rows("SELECT 1 FROM marks")) == 1
    scopeless = await ingest.client.get(
        f"/v1/calls/{call_id}/marks", headers=ingest.bearer(scope="recordings:write")
    )
    assert scopeless.status_code == 403


async def test_marks_of_one_call_come_one_after_the_other(ingest: World) -> None:
    call_id = await ingest.opened()
    answers = await asyncio.gather(*(mark(ingest, call_id, "transfer", moment(n)) for n in range(12)))
    assert sorted(answer.json()["position"] for answer in answers) == list(range(1, 13))
    await taken(await mark(ingest, call_id, "mask", moment(20), reason="card-data"))
    ends = await asyncio.gather(*(mark(ingest, call_id, "unmask", moment(21)) for _ in range(4)))
    assert sorted(answer.status_code for answer in ends) == [201, 409, 409, 409]
    rows = await ingest.rows("SELECT position FROM marks ORDER BY position")
    assert [row["position"] for row in rows] == list(range(1, 15))


async def test_what_is_masked_is_silent_in_what_is_kept_and_everything_says_so(ingest: World) -> None:
    call_id = await ingest.opened()
    await taken(await mark(ingest, call_id, "mask", moment(0.5), reason="card-data"))
    await taken(await mark(ingest, call_id, "unmask", moment(1.25)))
    await taken(await mark(ingest, call_id, "pause", moment(1.75), reason="payment-page"))
    await taken(await mark(ingest, call_id, "resume", moment(1.875)))
    content = wav(seconds=3)
    body = await send(ingest, call_id, content, startedAt=CLOCK)
    assert (body["state"], body["reasons"]) == ("sealed", [])
    expected = [(500_000, 1_250_000), (1_750_000, 1_875_000)]
    shown = [(each["startMicroseconds"], each["endMicroseconds"]) for each in body["maskedRanges"]]
    assert shown == expected
    assert await plaintext(ingest, body["recordingId"]) == silenced(content, (0.5, 1.25), (1.75, 1.875))
    manifest = await manifest_of(ingest, body["recordingId"])
    original = next(each for each in manifest.renditions if each.name == "original")
    assert [(each.start_microseconds, each.end_microseconds) for each in original.masked] == expected
    event = RecordingSealed.FromString((await ingest.events())[-1][2])
    assert [(each.start_microseconds, each.end_microseconds) for each in event.masked] == expected
    again = await ingest.client.get(f"/v1/recordings/{body['recordingId']}", headers=ingest.bearer())
    assert again.json()["maskedRanges"] == body["maskedRanges"]
    assert again.json()["startedAt"] == "2026-11-24T08:51:00.000Z"
    read: Any = await ask(ingest, Get(tenant_id=MERCY.tenant_id, recording_id=body["recordingId"]))
    assert [each.kind for each in read.marks] == ["mask", "unmask", "pause", "resume"]
    assert (read.marks[0].reason, read.more_marks) == ("card-data", False)
    assert [(each.start_microseconds, each.end_microseconds) for each in read.summary.masked] == expected


async def test_a_leg_is_silenced_by_its_own_clock_and_its_own_marks(ingest: World) -> None:
    call_id = await ingest.opened()
    path = f"/v1/calls/{call_id}/legs"
    await taken(
        await ingest.post(path, {"legId": "patient", "startedAt": moment(10), "partyIds": ["patient"]})
    )
    await taken(await ingest.post(path, {"legId": "agent", "startedAt": CLOCK}))
    await taken(
        await mark(
            ingest, call_id, "mask", moment(10.5), reason="card-data", legId="patient", until=moment(11)
        )
    )
    content = wav(seconds=2)
    patient = await send(ingest, call_id, content, key="p", leg="patient")
    assert await plaintext(ingest, patient["recordingId"]) == silenced(content, (0.5, 1))
    agent = await send(ingest, call_id, content, key="a", leg="agent", startedAt=moment(10))
    assert await plaintext(ingest, agent["recordingId"]) == content
    assert (agent["state"], agent["maskedRanges"]) == ("sealed", [])


async def test_a_mark_silences_a_live_recording_from_then_on(ingest: World) -> None:
    call_id = await ingest.opened()
    content = wav(seconds=3)

    async def live() -> AsyncIterator[bytes]:
        yield content[: HEADER + 8000 * FRAME]
        await taken(await mark(ingest, call_id, "mask", moment(1.5), reason="card-data"))
        yield content[HEADER + 8000 * FRAME : HEADER + 16_000 * FRAME]
        await taken(await mark(ingest, call_id, "unmask", moment(2.5)))
        yield content[HEADER + 16_000 * FRAME :]

    body = await send(ingest, call_id, live(), startedAt=CLOCK)
    assert (body["state"], body["reasons"]) == ("sealed", [])
    assert await plaintext(ingest, body["recordingId"]) == silenced(content, (1.5, 2.5))


async def test_a_mask_that_comes_after_its_sound_keeps_the_recording_apart(ingest: World) -> None:
    call_id = await ingest.opened()
    content = wav(seconds=2)

    async def late() -> AsyncIterator[bytes]:
        yield content[: HEADER + 8000 * FRAME]
        await taken(await mark(ingest, call_id, "mask", moment(0.5), reason="card-data", until=moment(1.5)))
        yield content[HEADER + 8000 * FRAME :]

    body = await send(ingest, call_id, late(), startedAt=CLOCK)
    assert (body["state"], body["reasons"]) == ("quarantined", ["mask-not-applied"])
    assert await plaintext(ingest, body["recordingId"]) == silenced(content, (1, 1.5))


async def test_a_mask_that_comes_while_a_recording_is_sealed_is_not_lost(ingest: World) -> None:
    call_id = await ingest.opened()
    gate = ingest.keys.switch.gates["SignReceipt"] = Gate()
    sending = asyncio.ensure_future(
        ingest.client.post(
            "/v1/recordings",
            params={"call": call_id, "startedAt": CLOCK},
            content=wav(seconds=2),
            headers=ingest.bearer() | {"Content-Type": "audio/wav", "Idempotency-Key": "raced"},
        )
    )
    await gate.reached.wait()
    await taken(await mark(ingest, call_id, "mask", moment(0.5), reason="card-data", until=moment(1)))
    gate.opened.set()
    raced = await sending
    assert (raced.status_code, raced.json()["type"]) == (503, "urn:callward:problem:upload-not-sealed")
    body = await send(ingest, call_id, wav(seconds=2), key="raced", startedAt=CLOCK)
    assert (body["state"], body["reasons"]) == ("quarantined", ["mask-not-applied"])
    kinds = [kind for kind, _, _ in await ingest.events()]
    assert (kinds.count("RecordingQuarantined"), kinds.count("RecordingSealed")) == (1, 0)


async def test_a_recording_without_a_clock_is_kept_apart_where_something_is_masked(ingest: World) -> None:
    call_id = await ingest.opened()
    assert (await send(ingest, call_id, wav(), key="before"))["state"] == "sealed"
    await taken(await mark(ingest, call_id, "mask", moment(0.5), reason="card-data", until=moment(1)))
    body = await send(ingest, call_id, wav(), key="after")
    assert (body["state"], body["reasons"]) == ("quarantined", ["mask-not-applied"])


@pytest.mark.parametrize("settings", [{"max_mask": 1}], indirect=True)
async def test_a_mask_that_nobody_ended_lapses_and_the_recording_is_kept_apart(ingest: World) -> None:
    call_id = await ingest.opened()
    await taken(await mark(ingest, call_id, "mask", moment(0.5), reason="card-data"))
    content = wav(seconds=2)
    body = await send(ingest, call_id, content, key="long", startedAt=CLOCK)
    assert (body["state"], body["reasons"]) == ("quarantined", ["mask-left-open"])
    assert await plaintext(ingest, body["recordingId"]) == silenced(content, (0.5, 1.5))
    short = await send(ingest, call_id, wav(seconds=1), key="short", startedAt=CLOCK)
    assert (short["state"], short["media"]["findings"]) == ("sealed", ["mask-left-open"])


async def test_a_mask_for_what_is_sealed_already_names_it(ingest: World) -> None:
    call_id = await ingest.opened()
    sealed = await send(ingest, call_id, wav(seconds=2), startedAt=CLOCK)
    body = await taken(await mark(ingest, call_id, "mask", moment(1), reason="card-data", until=moment(3)))
    assert body["keptRecordings"] == [sealed["recordingId"]]
    event = ControlMarkRecorded.FromString((await ingest.events())[-1][2])
    assert list(event.kept_recordings) == [sealed["recordingId"]]
    body = await taken(await mark(ingest, call_id, "mask", moment(2), reason="card-data", until=moment(3)))
    assert body["keptRecordings"] == []


async def test_a_pause_hides_no_announcement(ingest: World) -> None:
    call_id = await ingest.opened(permitted=False)
    await taken(await mark(ingest, call_id, "pause", moment(10), reason="payment-page"))
    evidence = {"kind": "announcement", "partyId": "patient", "scriptId": "s", "scriptVersion": "1"}
    path = f"/v1/calls/{call_id}/evidence"
    hidden = await ingest.post(path, {**evidence, "givenAt": moment(11)})
    assert (hidden.status_code, hidden.json()["type"]) == (409, "urn:callward:problem:evidence-silenced")
    assert not [each for each in ingest.consent.switch.seen if type(each).__name__ == "RecordEvidenceRequest"]
    played = await mark(ingest, call_id, "announcement-played", moment(11))
    assert (played.status_code, played.json()["type"]) == (409, "urn:callward:problem:evidence-silenced")
    await taken(await ingest.post(path, {**evidence, "givenAt": moment(5)}))
    covering = await mark(ingest, call_id, "mask", moment(4), reason="card-data", until=moment(6))
    assert (covering.status_code, covering.json()["type"]) == (409, "urn:callward:problem:evidence-silenced")
    assert len(await ingest.rows("SELECT 1 FROM marks")) == 1


@pytest.mark.parametrize("settings", [{"max_marks": 1, "max_legs": 1}], indirect=True)
async def test_a_call_has_so_many_marks_and_legs(ingest: World) -> None:
    call_id = await ingest.opened()
    path = f"/v1/calls/{call_id}/legs"
    await taken(await mark(ingest, call_id, "hold", CLOCK))
    await taken(await ingest.post(path, {"legId": "a", "startedAt": CLOCK}))
    for refused in (
        await mark(ingest, call_id, "unhold", moment(1)),
        await ingest.post(path, {"legId": "b", "startedAt": CLOCK}),
    ):
        assert (refused.status_code, refused.json()["limit"]) == (409, 1)
    other = await ingest.post(path, {"legId": "a", "startedAt": moment(1)})
    assert (other.status_code, other.json()["type"]) == (409, "urn:callward:problem:leg-exists")
