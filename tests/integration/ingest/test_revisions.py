"""PATCH /v1/calls/{call}: what becomes known late is sealed by itself, found again, and never overwrites anything."""

import asyncio
import hashlib
import json
from typing import Any

import asyncpg
import httpx
import pytest

from callward.ingest.v1 import events_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward.keys.v1 import data_key_pb2
from callward_common.errors import Unavailable
from callward_common.ids import new_id
from callward_crypto.keys import METADATA_LABEL, associated_data, derive_subkey, open_small
from tests.integration.ingest.world import World
from tests.support.doors import saw
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.tenants import MACHINES_ISSUER, MERCY, OTHER

MERGE_PATCH = "application/merge-patch+json"
NEW = {"notes": "Planted: called back about the scan", "patientReference": "MRN-PLANTED-1701"}
NUMBER, REFERENCE = "+15125550777", "crm-planted-17"
PATCH: dict[str, Any] = {
    **NEW,
    "agentId": None,
    "externalReference": REFERENCE,
    "parties": {"patient": {"telephone": NUMBER}},
}
CHANGED = ["agentId", "externalReference", "notes", "parties.telephone", "patientReference"]


async def revise(ingest: World, call_id: str, patch: Any, **headers: str) -> httpx.Response:
    """Sends a patch. Names of `headers` are written with underscores."""
    sent = {"Content-Type": MERGE_PATCH, **{name.replace("_", "-"): value for name, value in headers.items()}}
    content = patch if isinstance(patch, bytes) else json.dumps(patch).encode()
    return await ingest.client.patch(f"/v1/calls/{call_id}", content=content, headers=ingest.bearer() | sent)


async def listed(ingest: World, call_id: str, **query: Any) -> httpx.Response:
    return await ingest.client.get(f"/v1/calls/{call_id}/revisions", params=query, headers=ingest.bearer())


async def test_a_revision_is_answered_with_names_and_no_value(ingest: World) -> None:
    call_id = await ingest.opened()
    answer = await revise(ingest, call_id, PATCH)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "callId": call_id,
        "revision": 1,
        "revisedAt": "2026-11-24T09:00:00.000Z",
        "changed": CHANGED,
    }
    assert answer.headers["ETag"] == '"1"'
    name, tenant, data = (await ingest.events())[-1]
    event = events_pb2.CallMetadataRevised.FromString(data)
    assert (name, tenant) == ("CallMetadataRevised", MERCY.tenant_id)
    assert (event.call_id, event.revision, list(event.changed)) == (call_id, 1, CHANGED)
    assert event.actor.id == "pbx-1"


async def test_it_is_sealed_under_a_key_of_its_own_that_ends_with_the_calls(ingest: World) -> None:
    call_id = await ingest.opened()
    await revise(ingest, call_id, PATCH)
    (row,) = await ingest.rows("SELECT revision_id, document FROM call_revisions")
    revision_id, document = str(row["revision_id"]), bytes(row["document"])
    issued = {
        each.subject_id: each
        for each in ingest.keys.switch.seen
        if type(each).__name__ == "IssueDataKeyRequest"
    }
    own, call = issued[revision_id], issued[call_id]
    assert own.subject_kind == data_key_pb2.SUBJECT_KIND_CALL_REVISION
    assert (own.expiry_month, own.not_before) == (call.expiry_month, call.not_before)
    assert (own.subkeys.metadata, list(own.subkeys.renditions)) == (True, [])
    assert ingest.keys.manifests[revision_id] == hashlib.sha256(document).digest()
    assert ingest.keys.states[revision_id] == "sealed"
    key = derive_subkey(ingest.keys.data_keys[revision_id], METADATA_LABEL)
    bound = associated_data(MERCY.tenant_id, revision_id, "metadata", 0)
    opened = json.loads(open_small(key, bound, document))
    assert opened["patch"] == PATCH
    assert (opened["callId"], opened["revision"], opened["by"]["id"]) == (call_id, 1, "pbx-1")


async def test_the_call_is_found_by_what_is_new(ingest: World) -> None:
    call_id = await ingest.opened()
    await revise(ingest, call_id, PATCH)
    await revise(ingest, call_id, PATCH)
    rows = await ingest.rows("SELECT kind, quarter, pseudonym FROM pseudonyms ORDER BY kind")
    expected = hashlib.sha256(b"pseudonym" + REFERENCE.encode()).digest()
    assert ("external-reference", "2026Q4", expected) in {tuple(row) for row in rows}
    assert [row["kind"] for row in rows] == [
        "external-reference",
        "patient",
        "patient",
        "telephone",
        "telephone",
    ]


async def test_nothing_of_it_is_anywhere_but_sealed(ingest: World) -> None:
    call_id = await ingest.opened()
    await revise(ingest, call_id, PATCH, Idempotency_Key="k")
    tables = ("calls", "call_revisions", "pseudonyms", "idempotency", "outbox")
    kept = "".join([repr(await ingest.rows(f"SELECT * FROM {table}")) for table in tables])
    for value in (*NEW.values(), NUMBER, REFERENCE):
        assert value not in kept
        assert value.encode().hex() not in kept


async def test_revisions_are_listed_by_pages(ingest: World) -> None:
    call_id = await ingest.opened()
    for number in range(3):
        assert (await revise(ingest, call_id, {"notes": f"Planted {number}"})).status_code == 200
    first = await listed(ingest, call_id, limit=2)
    second = await listed(ingest, call_id, limit=2, cursor=first.json()["nextCursor"])
    shown = first.json()["revisions"] + second.json()["revisions"]
    assert [each["revision"] for each in shown] == [1, 2, 3]
    by = {"kind": "machine", "id": "pbx-1", "issuer": MACHINES_ISSUER}
    assert shown[0] == {
        "revision": 1,
        "revisedAt": "2026-11-24T09:00:00.000Z",
        "by": by,
        "changed": ["notes"],
    }
    assert second.json()["nextCursor"] is None
    assert first.headers["ETag"] == '"3"'
    assert "Planted" not in first.text + second.text
    other = await ingest.opened()
    assert (await listed(ingest, other)).json()["revisions"] == []
    refused = await listed(ingest, other, cursor=first.json()["nextCursor"])
    assert refused.status_code == 400
    assert saw(await listed(ingest, call_id, cursor="nonsense")) == (400, "invalid-cursor")
    assert saw(await listed(ingest, call_id, limit=201)) == (400, "invalid-request")


@pytest.mark.parametrize(
    ("patch", "problem", "field"),
    [
        ({"queue": "billing"}, "metadata-fixed", "queue"),
        ({"direction": "inbound"}, "metadata-fixed", "direction"),
        ({"startedAt": "2026-11-24T08:50:00Z"}, "metadata-fixed", "startedAt"),
        ({"notes": "x", "endedAt": None}, "metadata-fixed", "endedAt"),
        ({"ageGroup": "minor"}, "metadata-fixed", "ageGroup"),
        ({"parties": {"patient": {"jurisdictions": ["CA"]}}}, "metadata-fixed", "jurisdictions"),
        ({"parties": {"patient": {"role": "other", "telephone": None}}}, "metadata-fixed", "role"),
        ({"parties": {"nobody": {"telephone": NUMBER}}}, "unknown-party", None),
        ({"parties": [{"partyId": "patient", "telephone": NUMBER}]}, "invalid-request", None),
        ({"parties": None}, "invalid-request", None),
        ({"parties": {"patient": None}}, "invalid-request", None),
        ({"parties": {"patient": {}}}, "invalid-request", None),
        ({"parties": {"patient": {"telephone": "5550100"}}}, "invalid-request", None),
        ({"parties": {"Mrs. Jones": {"telephone": NUMBER}}}, "invalid-request", None),
        ({"parties": {}}, "invalid-request", None),
        ({"name": "Jones"}, "invalid-request", None),
        ({"notes": 7}, "invalid-request", None),
        ({"notes": ""}, "invalid-request", None),
        ({"notes": "x" * 4001}, "invalid-request", None),
        ({"notes": "a\u0007b"}, "invalid-request", None),
        ({"patientReference": "x" * 201}, "invalid-request", None),
        ({}, "invalid-request", None),
        ([], "invalid-request", None),
        (None, "invalid-request", None),
        (b"{", "invalid-request", None),
        (b"", "invalid-request", None),
    ],
)
async def test_what_is_refused_says_why_and_leaves_nothing(
    ingest: World, patch: Any, problem: str, field: str | None
) -> None:
    call_id = await ingest.opened()
    before = len(ingest.keys.data_keys)
    answer = await revise(ingest, call_id, patch)
    assert saw(answer) == (400, problem), answer.text
    assert answer.json().get("field") == field
    for value in (NUMBER, "Jones", "nobody"):
        assert value not in answer.text
    assert len(ingest.keys.data_keys) == before
    assert not await ingest.rows("SELECT 1 FROM call_revisions")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/json-patch+json", ""])
async def test_another_media_type_is_refused_before_the_body_is_read(ingest: World, kind: str) -> None:
    call_id = await ingest.opened()
    answer = await revise(ingest, call_id, PATCH, Content_Type=kind)
    assert saw(answer) == (415, "unsupported-media-type")
    assert answer.headers["Accept-Patch"] == MERGE_PATCH


async def test_if_match(ingest: World) -> None:
    call_id = await ingest.opened()
    note = {"notes": "Planted"}
    assert saw(await revise(ingest, call_id, note, If_Match='"1"')) == (412, "revision-not-current")
    assert (await revise(ingest, call_id, note, If_Match='"0"')).json()["revision"] == 1
    refused = await revise(ingest, call_id, note, If_Match='"0"')
    assert saw(refused) == (412, "revision-not-current")
    assert refused.json()["revision"] == 1
    assert saw(await revise(ingest, call_id, note, If_Match='W/"1"')) == (412, "revision-not-current")
    assert saw(await revise(ingest, call_id, note, If_Match='"01"')) == (412, "revision-not-current")
    assert (await revise(ingest, call_id, note, If_Match='"7", "1"')).json()["revision"] == 2
    assert (await revise(ingest, call_id, note, If_Match="*")).json()["revision"] == 3
    for malformed in ("3", '"3', "'3'", ",", '"3" "4"', '"' + "9" * 2000 + '"'):
        assert saw(await revise(ingest, call_id, note, If_Match=malformed)) == (400, "invalid-request")


async def test_a_retry_gives_the_same_answer_and_no_second_revision(ingest: World) -> None:
    call_id = await ingest.opened()
    first = await revise(ingest, call_id, PATCH, Idempotency_Key="k", If_Match='"0"')
    again = await revise(ingest, call_id, PATCH, Idempotency_Key="k", If_Match='"0"')
    assert (again.status_code, again.json()) == (200, first.json())
    assert (again.headers["Idempotent-Replayed"], again.headers["ETag"]) == ("true", '"1"')
    for other, expected in ((PATCH, '"1"'), ({**PATCH, "notes": None}, '"0"'), ({"notes": None}, '"0"')):
        answer = await revise(ingest, call_id, other, Idempotency_Key="k", If_Match=expected)
        assert saw(answer) == (409, "idempotency-key-reused")
    null = await revise(ingest, call_id, {"notes": None}, Idempotency_Key="null")
    assert null.status_code == 200
    absent = await revise(ingest, call_id, {"agentId": None}, Idempotency_Key="null")
    assert saw(absent) == (409, "idempotency-key-reused"), "null and absent are not the same"
    assert len(await ingest.rows("SELECT 1 FROM call_revisions")) == 2


async def test_revisions_at_once_have_numbers_without_a_gap(ingest: World) -> None:
    call_id = await ingest.opened()
    answers = await asyncio.gather(*(revise(ingest, call_id, {"notes": f"Planted {n}"}) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["revision"] for answer in answers) == list(range(1, 9))
    at_once = await asyncio.gather(
        *(revise(ingest, call_id, {"notes": "Planted"}, If_Match='"8"') for _ in range(4))
    )
    assert sorted(answer.status_code for answer in at_once) == [200, 412, 412, 412]
    numbers = await ingest.rows("SELECT number FROM call_revisions ORDER BY number")
    assert [row["number"] for row in numbers] == list(range(1, 10))
    assert set(ingest.keys.states.values()) <= {"sealed", "shred_pending"}


@pytest.mark.parametrize("settings", [{"max_revisions": 2, "max_revision_bytes": 64}], indirect=True)
async def test_limits(ingest: World) -> None:
    call_id = await ingest.opened()
    large = await revise(ingest, call_id, {"notes": "x" * 60})
    assert saw(large) == (413, "body-too-large")
    for _ in range(2):
        assert (await revise(ingest, call_id, {"notes": "Planted"})).status_code == 200
    answer = await revise(ingest, call_id, {"notes": "Planted"})
    assert saw(answer) == (409, "too-many-revisions")
    assert answer.json()["limit"] == 2


@pytest.mark.parametrize("neighbour", ["IssueDataKey", "SealDataKey", "Pseudonymise", "Plan"])
async def test_a_neighbour_that_is_away_leaves_nothing(ingest: World, neighbour: str) -> None:
    call_id = await ingest.opened()
    for switch in (ingest.keys.switch, ingest.retention.switch):
        switch.failing[neighbour] = Unavailable("away")
    answer = await revise(ingest, call_id, PATCH, Idempotency_Key="k")
    assert answer.status_code == 503
    assert not await ingest.rows("SELECT 1 FROM call_revisions")
    for switch in (ingest.keys.switch, ingest.retention.switch):
        switch.failing.clear()
    assert "open" not in ingest.keys.states.values()
    assert (await revise(ingest, call_id, PATCH, Idempotency_Key="k")).json()["revision"] == 1


async def test_another_tenants_call_is_not_found(ingest: World) -> None:
    call_id = await ingest.opened()
    await revise(ingest, call_id, PATCH)
    stranger = ingest.bearer(ingest.other) | {"Content-Type": MERGE_PATCH}
    path = f"/v1/calls/{call_id}"
    assert saw(await ingest.client.patch(path, content=b'{"notes":"x"}', headers=stranger)) == (
        404,
        "call-not-found",
    )
    assert saw(await ingest.client.get(f"{path}/revisions", headers=stranger)) == (404, "call-not-found")
    assert saw(await revise(ingest, new_id(), PATCH)) == (404, "call-not-found")
    assert saw(await revise(ingest, "1", PATCH)) == (400, "invalid-request")
    nobody = await ingest.client.patch(path, content=b"{}", headers={"Content-Type": MERGE_PATCH})
    assert saw(nobody) == (401, "token-missing")
    weak = ingest.bearer(scope="recordings:write") | {"Content-Type": MERGE_PATCH}
    assert saw(await ingest.client.patch(path, content=b"{}", headers=weak)) == (403, "scope-missing")


async def test_the_gateway_gets_the_revisions_with_the_recording(ingest: World) -> None:
    call_id = await ingest.opened()
    recording_id = (await ingest.upload(call_id)).json()["recordingId"]
    for patch in (PATCH, {"notes": None}):
        await revise(ingest, call_id, patch)
    async with run_servicers("ingest", ingest.service.grpc, identities()) as channels_of:
        stub: Any = recording_reader_service_pb2_grpc.RecordingReaderStub(
            channels_of("access-gateway").channel("ingest")
        )
        answer = await stub.GetRecording(
            recording_reader_service_pb2.GetRecordingRequest(
                tenant_id=MERCY.tenant_id, recording_id=recording_id
            )
        )
    assert [each.number for each in answer.revisions] == [1, 2]
    assert [list(each.changed) for each in answer.revisions] == [CHANGED, ["notes"]]
    assert [each.actor.id for each in answer.revisions] == ["pbx-1", "pbx-1"]
    for each in answer.revisions:
        registered = ingest.keys.manifests[each.document.subject_id]
        assert hashlib.sha256(each.document.ciphertext).digest() == registered


async def test_the_table_is_append_only_and_of_its_tenant(ingest: World) -> None:
    call_id = await ingest.opened()
    await revise(ingest, call_id, PATCH)
    run = ingest.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    for url in (run, ingest.owner_url):
        connection = await asyncpg.connect(url)
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
        for statement in (
            "UPDATE call_revisions SET changed = '{x}'",
            "DELETE FROM call_revisions",
            "TRUNCATE call_revisions",
        ):
            with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
                await connection.execute(statement)
        row = await connection.fetchrow("SELECT * FROM call_revisions")
        values = [OTHER.tenant_id if name == "tenant_id" else value for name, value in row.items()]
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(f"INSERT INTO call_revisions VALUES ({places})", *values)
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", OTHER.tenant_id)
        assert await connection.fetchval("SELECT count(*) FROM call_revisions") == 0
        await connection.close()
