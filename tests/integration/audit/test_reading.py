"""What tenants pull are the exact bytes of the leaves, and proofs that others' code verifies."""

import base64
import json
from datetime import timedelta

import pymerkle
import pytest

from callward_common.errors import Unavailable
from callward_common.http.cursors import encode_cursor
from callward_common.ids import new_id
from callward_crypto import merkle
from callward_crypto.checkpoint import verify_note
from tests.integration.audit.test_refusals import slug
from tests.integration.audit.world import LOG, ORIGIN, World, event
from tests.support import rfc9162
from tests.support.tenants import MERCY, OTHER

NEXT = "Callward-Next-Cursor"


async def filled(audit: World) -> None:
    """Twenty-three events of two tenants in turns."""
    tenants = [MERCY.tenant_id, MERCY.tenant_id, OTHER.tenant_id]
    numbers = range(1, 24)
    await audit.publish(*[event(each, key=f"key-{each}", tenant=tenants[(each - 1) % 3]) for each in numbers])
    await audit.recorded(23)
    await audit.covered(23)


async def pull(audit: World, limit: int, cursor: str = "") -> tuple[list[bytes], str, int]:
    """Pull until nothing more comes: lines, the last cursor, and the number of pages."""
    lines: list[bytes] = []
    pages = 0
    while True:
        answer = await audit.get(f"/v1/events?limit={limit}&cursor={cursor}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        cursor = answer.headers[NEXT]
        if not answer.content:
            return lines, cursor, pages
        pages += 1
        assert answer.content.endswith(b"\n")
        found = answer.content[:-1].split(b"\n")
        assert len(found) <= limit
        lines += found


@pytest.mark.parametrize("limit", [1, 4, 500])
async def test_a_tenant_pulls_exactly_its_leaves_page_by_page(audit: World, limit: int) -> None:
    async with audit.at_work():
        await filled(audit)
        lines, cursor, pages = await pull(audit, limit)
        assert lines == await audit.bodies()
        assert len(lines) == 16
        assert pages == -(-16 // limit)
        assert all(json.loads(line)["metadata"]["tenant_uid"] == "mercy-general" for line in lines)
        assert await pull(audit, limit, cursor) == ([], cursor, 0)
        await audit.publish(event(24))
        await audit.recorded(24)
        fresh, _, _ = await pull(audit, limit, cursor)
        assert fresh == (await audit.bodies())[-1:]
        theirs = await audit.get("/v1/events", audit.siem(audit.others))
        assert theirs.content.splitlines() != lines
        assert len(theirs.content.split(b"\n")) - 1 == 7


async def test_before_anything_is_recorded_there_is_an_empty_page(audit: World) -> None:
    answer = await audit.get("/v1/events")
    assert (answer.status_code, answer.content) == (200, b"")
    async with audit.at_work():
        await audit.publish(event(1))
        await audit.recorded(1)
        lines, _, _ = await pull(audit, 10, answer.headers[NEXT])
        assert len(lines) == 1


async def test_a_pull_goes_on_into_the_next_year(audit: World) -> None:
    from datetime import timedelta

    async with audit.at_work():
        await audit.publish(event(1), event(2))
        await audit.covered(2)
        audit.clock.advance(timedelta(days=60))
        await audit.publish(event(3))
        await audit.recorded(2, "2027-0")
        names = []
        cursor = ""
        for _ in range(5):
            answer = await audit.get(f"/v1/events?limit=1&cursor={cursor}")
            cursor = answer.headers[NEXT]
            names += [json.loads(line)["metadata"]["log_name"] for line in answer.content.splitlines()]
        assert names == [LOG, LOG, "2027-0"]


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "é",
        "x" * 513,
        "e30",
        encode_cursor({"log": "1999-0", "index": 0}),
        encode_cursor({"log": LOG, "index": -1}),
        encode_cursor({"log": LOG, "index": 2**70}),
        encode_cursor({"log": LOG, "index": "0"}),
        encode_cursor({"log": LOG}),
        encode_cursor({"log": LOG, "index": 0, "tenant": "other-clinic"}),
        encode_cursor({"log": "2026-0\x00", "index": 0}),
    ],
)
async def test_a_cursor_of_somewhere_else_is_refused(audit: World, cursor: str) -> None:
    answer = await audit.get(f"/v1/events?cursor={cursor}")
    assert answer.status_code == 400
    assert slug(answer) in ("invalid-cursor", "invalid-request")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1"])
async def test_a_limit_out_of_bounds_is_refused(audit: World, query: str) -> None:
    answer = await audit.get(f"/v1/events?{query}")
    assert (answer.status_code, slug(answer)) == (400, "invalid-request")


async def test_the_proof_of_an_event_verifies_by_three_implementations(audit: World) -> None:
    async with audit.at_work():
        await filled(audit)
        leaves = await audit.every_leaf()
        tree = pymerkle.InmemoryTree(algorithm="sha256")
        for leaf in leaves:
            tree.append_entry(leaf)
        for line in await audit.bodies():
            event_id = json.loads(line)["metadata"]["uid"]
            answer = await audit.get(f"/v1/events/{event_id}/proof", audit.auditor())
            assert answer.status_code == 200, answer.text
            proof = answer.json()
            assert (proof["format"], proof["log"], proof["origin"]) == ("callward-audit-proof/1", LOG, ORIGIN)
            body, index, size = proof["event"].encode(), proof["leafIndex"], proof["treeSize"]
            assert body == line == leaves[index]
            origin, noted, root = rfc9162.read_note(proof["checkpoint"], audit.signer.public_key)
            assert (origin, noted) == (ORIGIN, size)
            assert verify_note(proof["checkpoint"], ORIGIN, audit.signer.public_key).root == root
            assert root == tree.get_root(size)
            hashes = [base64.b64decode(each) for each in proof["inclusionProof"]]
            assert rfc9162.included(body, index, size, hashes, root)
            merkle.verify_inclusion(merkle.leaf_hash(body), index, size, hashes, root)
            assert not rfc9162.included(body[:-1] + b"]", index, size, hashes, root)


async def test_every_inclusion_and_consistency_proof_verifies(audit: World) -> None:
    async with audit.at_work():
        await audit.publish(*[event(number, key=f"key-{number}") for number in range(1, 10)])
        await audit.covered(9)
        leaves = await audit.every_leaf()
        roots = {size: rfc9162.root(leaves[:size]) for size in range(1, 10)}
        for size in range(1, 10):
            for index in range(size):
                answer = await audit.get(f"/v1/logs/{LOG}/inclusion?index={index}&size={size}")
                hashes = [base64.b64decode(each) for each in answer.json()["hashes"]]
                assert rfc9162.included(leaves[index], index, size, hashes, roots[size])
            for old in range(1, size + 1):
                answer = await audit.get(f"/v1/logs/{LOG}/consistency?from={old}&to={size}")
                hashes = [base64.b64decode(each) for each in answer.json()["hashes"]]
                assert rfc9162.consistent(old, roots[old], size, roots[size], hashes)
                if size > old:
                    assert not rfc9162.consistent(old, bytes(32), size, roots[size], hashes)


async def test_another_tenants_event_looks_like_none(audit: World) -> None:
    theirs, mine = event(1, tenant=OTHER.tenant_id), event(2)
    async with audit.at_work():
        await audit.publish(theirs, mine)
        await audit.covered(2)
        answers = [
            await audit.get(f"/v1/events/{each}/proof")
            for each in (theirs.id, new_id(), "x", mine.id.upper())
        ]
        assert [(each.status_code, slug(each)) for each in answers] == [(404, "event-not-found")] * 4
        assert len({each.json()["detail"] for each in answers}) == 1
        assert (await audit.get(f"/v1/events/{mine.id}/proof")).status_code == 200
        assert (await audit.get(f"/v1/events/{theirs.id}/proof", audit.siem(audit.others))).status_code == 200


async def test_what_no_checkpoint_covers_yet_is_a_503_with_retry_after(audit: World) -> None:
    audit.signer.failing = Unavailable("The signing key cannot be used now.")
    first = event(1)
    async with audit.at_work():
        await audit.publish(first, event(2))
        await audit.recorded(2)
        paths = [
            f"/v1/events/{first.id}/proof",
            f"/v1/logs/{LOG}/checkpoint",
            f"/v1/logs/{LOG}/inclusion?index=0&size=1",
            f"/v1/logs/{LOG}/consistency?from=1&to=2",
        ]
        for path in paths:
            answer = await audit.get(path)
            assert (answer.status_code, slug(answer)) == (503, "not-yet-covered"), path
            assert answer.headers["retry-after"] == "1"
        audit.signer.failing = None
        await audit.covered(2)
        for path in paths:
            assert (await audit.get(path)).status_code == 200
        beyond = await audit.get(f"/v1/logs/{LOG}/inclusion?index=0&size=3")
        assert (beyond.status_code, slug(beyond)) == (503, "not-yet-covered")


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/v1/logs/1999-0/checkpoint", 404, "log-not-found"),
        ("/v1/logs/nonsense/checkpoint", 404, "log-not-found"),
        ("/v1/logs/2026-0%0A/checkpoint", 404, "log-not-found"),
        ("/v1/logs/1999-0/inclusion?index=0&size=1", 404, "log-not-found"),
        ("/v1/logs/1999-0/consistency?from=1&to=1", 404, "log-not-found"),
        (f"/v1/logs/{LOG}/inclusion?index=2&size=2", 400, "invalid-proof-request"),
        (f"/v1/logs/{LOG}/consistency?from=2&to=1", 400, "invalid-proof-request"),
        (f"/v1/logs/{LOG}/inclusion?index=-1&size=2", 400, "invalid-request"),
        (f"/v1/logs/{LOG}/inclusion?index=0", 400, "invalid-request"),
        (f"/v1/logs/{LOG}/inclusion?index=0&size=0", 400, "invalid-request"),
        (f"/v1/logs/{LOG}/inclusion?index=0&size={2**63}", 400, "invalid-request"),
        (f"/v1/logs/{LOG}/consistency?from=0&to=1", 400, "invalid-request"),
        ("/v1/nothing", 404, "not-found"),
    ],
)
async def test_proofs_that_cannot_be(audit: World, path: str, status: int, expected: str) -> None:
    async with audit.at_work():
        await audit.publish(event(1), event(2))
        await audit.covered(2)
        answer = await audit.get(path)
        assert (answer.status_code, slug(answer)) == (status, expected)


async def test_logs_are_listed_newest_first(audit: World) -> None:
    async with audit.at_work():
        await audit.publish(event(1))
        await audit.recorded(1)
        answer = await audit.get("/v1/logs", audit.auditor())
    assert answer.json() == {"logs": [{"log": LOG, "origin": ORIGIN, "size": 1}]}


async def test_public_keys_come_from_every_page_and_need_no_token(audit: World) -> None:
    answer = await audit.get("/.well-known/jwks.json", {})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert audit.directory.asked == 3
    keys = answer.json()["keys"]
    assert [key["kid"] for key in keys] == [f"key-{number}" for number in range(1, 6)]
    assert keys[0] == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": "key-1",
        "x": base64.urlsafe_b64encode(b"\x01" * 32).decode().rstrip("="),
        "callward_document_type": "receipt",
    }


async def test_anybody_who_asks_for_public_keys_does_not_ask_key_management_each_time(audit: World) -> None:
    for _ in range(20):
        assert (await audit.get("/.well-known/jwks.json", {})).status_code == 200
    assert audit.directory.asked == 3
    audit.directory.keys = audit.directory.keys[:1]
    audit.clock.advance(timedelta(seconds=300))
    assert len((await audit.get("/.well-known/jwks.json", {})).json()["keys"]) == 1
    assert audit.directory.asked == 4


async def test_openapi_has_every_route_with_a_problem_response(audit: World) -> None:
    answer = await audit.get("/openapi.json", {})
    found = {path: operations["get"] for path, operations in answer.json()["paths"].items()}
    assert set(found) == {
        "/v1/events",
        "/v1/events/{event_id}/proof",
        "/v1/logs",
        "/v1/logs/{log}/checkpoint",
        "/v1/logs/{log}/inclusion",
        "/v1/logs/{log}/consistency",
        "/.well-known/jwks.json",
    }
    for path, operation in found.items():
        assert "application/problem+json" in operation["responses"]["default"]["content"], path
        assert operation["description"], path
