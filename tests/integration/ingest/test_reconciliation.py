"""POST /v1/reconciliations: what was placed against what is here, of any size, kept without anything that identifies."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import event

from callward.ingest.v1 import events_pb2
from callward_common.ids import new_id
from tests.integration.ingest.world import World
from tests.support.doors import saw
from tests.support.tenants import MACHINES_ISSUER, MERCY, OTHER

PATH = "/v1/reconciliations"
FROM, TO, STARTED = "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z", "2026-11-24T08:50:00Z"
REFERENCE = "crm-planted-"

# Copies of what is really there: calls with references, and a recording for each.
MANY = """
INSERT INTO calls SELECT (jsonb_populate_record(one.c, jsonb_build_object('call_id', n.call_id))).*
  FROM (SELECT c FROM calls c LIMIT 1) one, unnest($1::uuid[]) AS n(call_id)
"""
MANY_REFERENCES = """
INSERT INTO pseudonyms SELECT $3, 'external-reference', '2026Q4', sha256(convert_to('pseudonym' || n.name, 'UTF8')), n.call_id
  FROM unnest($1::uuid[], $2::text[]) AS n(call_id, name)
"""
MANY_RECORDINGS = """
INSERT INTO recordings
SELECT (jsonb_populate_record(one.r, jsonb_build_object(
           'call_id', n.call_id, 'recording_id', gen_random_uuid(), 'object_key', n.call_id))).*
  FROM (SELECT r FROM recordings r WHERE r.state = 'sealed' LIMIT 1) one, unnest($1::uuid[]) AS n(call_id)
"""


@contextmanager
def statements(ingest: World) -> Iterator[list[str]]:
    """The statements that ingest sends to its database in the block; one for many rows counts once."""
    executed, engine = list[str](), ingest.db.engine.sync_engine

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        executed.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def ask(ingest: World, calls: Sequence[dict[str, Any]], **more: Any) -> httpx.Response:
    headers = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
    body = {"from": FROM, "to": TO, "calls": calls, **more}
    return await ingest.post(PATH, body, **headers)


async def made(ingest: World, calls: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = await ask(ingest, calls, **more)
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert isinstance(document, dict)
    return document


async def again(ingest: World, path: str, **query: Any) -> httpx.Response:
    return await ingest.client.get(path, params=query, headers=ingest.bearer())


def found(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(item["finding"], item["details"]) for item in document["items"]]


async def test_each_finding(ingest: World) -> None:
    whole, bare, held, extra = [await ingest.opened() for _ in range(4)]
    twice = [await ingest.opened(externalReference=f"{REFERENCE}twice") for _ in range(2)]
    assert (await ingest.upload(whole, key="whole")).status_code == 201
    assert (await ingest.upload(held, b"no audio", key="held")).json()["state"] == "quarantined"
    unknown = new_id()
    calls: list[dict[str, Any]] = [
        {"callId": whole, "startedAt": STARTED, "recordings": 1, "durationSeconds": 1.5},
        {"callId": bare},
        {"callId": held},
        {"callId": unknown},
        {"externalReference": f"{REFERENCE}twice"},
        {"externalReference": f"{REFERENCE}unknown"},
        {"callId": whole},
    ]
    document = await made(ingest, calls)
    items = document["items"]
    assert found(document) == [
        ("matched", []),
        ("missing", ["no-recording"]),
        ("incomplete", ["quarantined"]),
        ("missing", ["unknown-call"]),
        ("duplicate", ["stored-twice"]),
        ("missing", ["unknown-call"]),
        ("duplicate", ["named-twice"]),
        ("unexpected", ["no-recording"]),
    ]
    assert document["counts"] == {
        "matched": 1,
        "missing": 3,
        "unexpected": 1,
        "incomplete": 1,
        "duplicate": 2,
    }
    assert [item.get("position") for item in items] == [0, 1, 2, 3, 4, 5, 6, None]
    assert [item.get("callId") for item in items] == [whole, bare, held, unknown, None, None, whole, extra]
    assert items[4]["otherCallIds"] == sorted(twice)
    assert items[4]["externalReference"] == f"{REFERENCE}twice"
    assert items[6]["duplicateOf"] == 0
    assert document["nextCursor"] is None


async def test_fewer_shorter_and_open(ingest: World) -> None:
    call_id = await ingest.opened()
    assert (await ingest.upload(call_id, key="one")).status_code == 201
    one = {"callId": call_id}
    cases: list[tuple[dict[str, Any], tuple[str, list[str]]]] = [
        ({"recordings": 2}, ("incomplete", ["fewer-recordings"])),
        ({"durationSeconds": 5.6}, ("incomplete", ["shorter-than-stated"])),
        ({"durationSeconds": 5.4}, ("matched", [])),
        ({"recordings": 0}, ("matched", ["more-recordings"])),
        ({"startedAt": "2026-11-24T08:49:50Z"}, ("matched", ["start-differs"])),
        ({"endedAt": "2026-11-24T08:55:00Z"}, ("matched", ["not-ended"])),
    ]
    for stated, expected in cases:
        assert found(await made(ingest, [{**one, **stated}])) == [expected]
    rows = "INSERT INTO recordings SELECT (jsonb_populate_record(null::recordings, to_jsonb(r) || $1)).* FROM recordings r"
    receiving = {
        "recording_id": new_id(),
        "object_key": "x/y",
        "state": "receiving",
        "key_id": None,
        "receipt": None,
    }
    connection = await asyncpg.connect(ingest.owner_url)
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    await connection.execute(rows, json.dumps(receiving))
    await connection.close()
    assert found(await made(ingest, [one])) == [("incomplete", ["upload-open"])]


async def test_nothing_that_identifies_is_kept_and_a_retry_is_answered_in_full(ingest: World) -> None:
    await ingest.opened(externalReference=f"{REFERENCE}1")
    calls = [{"externalReference": f"{REFERENCE}1"}, {"externalReference": f"{REFERENCE}2"}]
    first = await ask(ingest, calls, headers={"Idempotency_Key": "k"})
    second = await ask(ingest, calls, headers={"Idempotency_Key": "k"})
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert second.json() == first.json()
    assert [item["externalReference"] for item in second.json()["items"]] == [
        f"{REFERENCE}{n}" for n in (1, 2)
    ]
    other = await ask(ingest, calls[:1], headers={"Idempotency_Key": "k"})
    assert saw(other) == (409, "idempotency-key-reused")
    tables = ("reconciliations", "reconciliation_items", "idempotency", "outbox")
    kept = "".join([repr(await ingest.rows(f"SELECT * FROM {table}")) for table in tables])
    assert REFERENCE not in kept
    assert REFERENCE.encode().hex() not in kept
    assert len(await ingest.rows("SELECT 1 FROM reconciliations")) == 1
    read = await again(ingest, first.headers["Location"])
    assert "externalReference" not in read.text
    assert [item["position"] for item in read.json()["items"]] == [0, 1]


async def test_the_event_has_counts_alone(ingest: World) -> None:
    document = await made(ingest, [{"callId": new_id()}])
    name, tenant, data = (await ingest.events())[-1]
    told = events_pb2.ReconciliationMade.FromString(data)
    assert (name, tenant) == ("ReconciliationMade", MERCY.tenant_id)
    assert told.reconciliation_id == document["reconciliationId"]
    assert (told.matched, told.missing, told.unexpected) == (0, 1, 0)
    assert told.range_from.ToJsonString() == FROM


async def test_it_is_read_again_by_pages_and_by_finding(ingest: World) -> None:
    unknown = [{"callId": new_id()} for _ in range(3)]
    document = await made(ingest, [unknown[0], *unknown])
    path = f"{PATH}/{document['reconciliationId']}"
    pages, cursor = list[dict[str, Any]](), None
    while True:
        query = {"limit": 3} if cursor is None else {"limit": 3, "cursor": cursor}
        page = (await again(ingest, path, **query)).json()
        pages += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert pages == document["items"]
    assert (page["madeBy"]["id"], page["madeBy"]["issuer"]) == ("pbx-1", MACHINES_ISSUER)
    assert (page["from"], page["madeAt"]) == ("2026-11-24T08:00:00.000Z", "2026-11-24T09:00:00.000Z")
    only = (await again(ingest, path, finding="duplicate")).json()
    assert [item["finding"] for item in only["items"]] == ["duplicate"]
    first = (await again(ingest, path, limit=1, finding="missing")).json()["nextCursor"]
    assert saw(await again(ingest, path, cursor=first)) == (400, "invalid-request")
    assert saw(await again(ingest, path, cursor="nonsense")) == (400, "invalid-cursor")
    assert saw(await again(ingest, path, finding="lost")) == (400, "invalid-request")
    other = await made(ingest, [])
    listed = (await again(ingest, PATH, limit=1)).json()
    assert [each["reconciliationId"] for each in listed["reconciliations"]] == [other["reconciliationId"]]
    rest = (await again(ingest, PATH, cursor=listed["nextCursor"])).json()
    assert [each["reconciliationId"] for each in rest["reconciliations"]] == [document["reconciliationId"]]
    assert rest["nextCursor"] is None


@pytest.mark.parametrize(
    ("changes", "problem", "pointer"),
    [
        ({"to": FROM}, "invalid-range", None),
        ({"from": "2026-10-01T00:00:00Z"}, "invalid-range", None),
        ({"to": "2026-11-25T00:00:00Z"}, "date-in-future", None),
        ({"from": "yesterday"}, "invalid-request", "/from"),
        ({"calls": "none"}, "invalid-request", "/calls"),
        ({"calls": [{}]}, "invalid-request", "/calls/0"),
        ({"calls": [{"callId": "1"}]}, "invalid-request", "/calls/0/callId"),
        ({"calls": [{"callId": "1", "externalReference": "x"}]}, "invalid-request", None),
        ({"calls": [{"externalReference": "x" * 201}]}, "invalid-request", "/calls/0/externalReference"),
        ({"calls": [{"externalReference": "x", "recordings": -1}]}, "invalid-request", "/calls/0/recordings"),
        (
            {"calls": [{"externalReference": "x", "recordings": 1.5}]},
            "invalid-request",
            "/calls/0/recordings",
        ),
        ({"calls": [{"externalReference": "x", "durationSeconds": -1}]}, "invalid-request", None),
        ({"calls": [{"externalReference": "x", "startedAt": "2026-11-24T07:59:59Z"}]}, "invalid-range", None),
        ({"more": 1}, "invalid-request", None),
    ],
)
async def test_what_is_refused_says_where(
    ingest: World, changes: dict[str, Any], problem: str, pointer: str | None
) -> None:
    answer = await ask(ingest, **{"calls": [], **changes})
    assert saw(answer) == (400, problem), answer.text
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert not await ingest.rows("SELECT 1 FROM reconciliations")


@pytest.mark.parametrize(
    "settings",
    [{"max_reconciliation_calls": 2, "max_reconciliation_found": 3, "max_reconciliation_bytes": 4096}],
    indirect=True,
)
async def test_limits(ingest: World) -> None:
    for _ in range(3):
        await ingest.opened()
    one = {"callId": new_id()}
    assert saw(await ask(ingest, [one] * 3)) == (413, "reconciliation-too-large")
    assert (await ask(ingest, [one] * 2)).status_code == 201
    large = [{"externalReference": "x" * 200} for _ in range(50)]
    assert saw(await ask(ingest, large)) == (413, "too-large")
    await ingest.opened()
    refused = await ask(ingest, [one])
    assert saw(refused) == (413, "reconciliation-too-large")
    assert refused.json()["limit"] == 3
    assert len(await ingest.rows("SELECT 1 FROM reconciliations")) == 1


async def test_other_routes_keep_their_own_limit(ingest: World) -> None:
    body = ingest.call_body(notes="x" * 70_000)
    assert saw(await ingest.post("/v1/calls", body)) == (413, "too-large")
    padded = json.dumps({"from": FROM, "to": TO, "calls": []}).encode() + b" " * 70_000
    headers = ingest.bearer() | {"Content-Type": "application/json"}
    assert (await ingest.client.post(PATH, content=padded, headers=headers)).status_code == 201


async def test_another_tenants_are_neither_found_nor_counted(ingest: World) -> None:
    call_id = await ingest.opened(externalReference=f"{REFERENCE}1")
    body = {"from": FROM, "to": TO, "calls": [{"callId": call_id}, {"externalReference": f"{REFERENCE}1"}]}
    theirs = await ingest.client.post(PATH, json=body, headers=ingest.bearer(ingest.other))
    assert found(theirs.json()) == [("missing", ["unknown-call"])] * 2
    location = theirs.headers["Location"]
    assert saw(await again(ingest, location)) == (404, "reconciliation-not-found")
    assert (await again(ingest, PATH)).json()["reconciliations"] == []
    assert saw(await again(ingest, f"{PATH}/1")) == (400, "invalid-request")
    weak = await ingest.client.post(PATH, json=body, headers=ingest.bearer(scope="recordings:write"))
    assert saw(weak) == (403, "scope-missing")


async def test_ten_thousand_calls(ingest: World) -> None:
    first = await ingest.opened()
    assert (await ingest.upload(first)).status_code == 201
    ids = [new_id() for _ in range(10_000)]
    names = [f"{REFERENCE}{number}" for number in range(10_000)]
    connection = await asyncpg.connect(ingest.owner_url)
    await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
    await connection.execute(MANY, ids)
    await connection.execute(MANY_REFERENCES, ids, names, MERCY.tenant_id)
    await connection.execute(MANY_RECORDINGS, ids[:9_000])
    await connection.execute("ANALYZE")
    await connection.close()
    # Half by id, half by reference; the last ten are not named, and ten are named that nobody knows.
    calls: list[dict[str, Any]] = [{"callId": each, "recordings": 1} for each in ids[:5_000]]
    calls += [{"externalReference": name, "startedAt": STARTED} for name in names[5_000:9_990]]
    calls += [{"externalReference": f"{REFERENCE}unknown-{number}"} for number in range(10)]
    with statements(ingest) as executed:
        document = await made(ingest, calls)
    assert document["counts"] == {
        "matched": 9_000,
        "missing": 1_000,
        "unexpected": 11,
        "incomplete": 0,
        "duplicate": 0,
    }
    assert len(document["items"]) == 1_000
    items, cursor = list(document["items"]), document["nextCursor"]
    while cursor is not None:
        page = (await again(ingest, f"{PATH}/{document['reconciliationId']}", cursor=cursor)).json()
        items += page["items"]
        cursor = page["nextCursor"]
    assert [item.get("position") for item in items[:10_000]] == list(range(10_000))
    assert {item["callId"] for item in items[10_000:]} == {first, *ids[9_990:]}
    asked = [each for each in ingest.keys.switch.seen if type(each).__name__ == "PseudonymiseRequest"]
    assert len(asked) <= 60
    assert len(executed) < 30, "set-based: never a query for each"
    assert sum("WITH wanted" in each for each in executed) == 1


async def test_calls_that_come_meanwhile_are_either_in_or_out(ingest: World) -> None:
    """One statement reads everything: a call is matched or it is not there, never missing and unexpected at once."""
    names = [f"{REFERENCE}{number}" for number in range(12)]
    calls = [{"externalReference": name, "recordings": 0} for name in names]

    async def opened() -> None:
        for name in names:
            await ingest.opened(permitted=False, externalReference=name)

    async def compared() -> list[dict[str, Any]]:
        return [await made(ingest, calls) for _ in range(8)]

    _, documents = await asyncio.gather(opened(), compared())
    for document in documents:
        counts = document["counts"]
        assert (counts["unexpected"], counts["matched"] + counts["missing"]) == (0, 12)


@pytest.mark.parametrize("table", ["reconciliations", "reconciliation_items"])
async def test_the_tables_are_append_only_and_of_their_tenant(ingest: World, table: str) -> None:
    await made(ingest, [{"callId": new_id()}])
    run = ingest.db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    for url in (run, ingest.owner_url):
        connection = await asyncpg.connect(url)
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
        for statement in (
            f"UPDATE {table} SET reconciliation_id = gen_random_uuid()",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
                await connection.execute(statement)
        row = await connection.fetchrow(f"SELECT * FROM {table}")
        values = [OTHER.tenant_id if name == "tenant_id" else value for name, value in row.items()]
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(f"INSERT INTO {table} VALUES ({places})", *values)
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", OTHER.tenant_id)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        await connection.close()
