"""Who may read the record: machines with the scope, auditors with a second factor; every refusal is a leaf itself."""

import json
from typing import Any

import pytest

from tests.integration.audit.world import LOG, World, event
from tests.support.tenants import INGEST_AUDIENCE, OTHER
from tests.support.tokens import StaticIssuer

ROUTES = {
    "events.pull": "/v1/events",
    "events.prove": "/v1/events/01a20e47-e2a7-71be-af62-cf1e9a29ba41/proof",
    "logs.list": "/v1/logs",
    "logs.checkpoint": f"/v1/logs/{LOG}/checkpoint",
    "logs.inclusion": f"/v1/logs/{LOG}/inclusion?index=0&size=1",
    "logs.consistency": f"/v1/logs/{LOG}/consistency?from=1&to=1",
}


def slug(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["request_id"] == answer.headers["x-request-id"]
    return str(document["type"]).removeprefix("urn:callward:problem:")


def attempts(audit: World) -> list[tuple[dict[str, str], int, str]]:
    forged = StaticIssuer.machines(audit.clock)
    expired = int(audit.clock.now().timestamp()) - 31
    return [
        ({}, 401, "token-missing"),
        ({"Authorization": "Bearer x.y.z"}, 401, "token-invalid"),
        (audit.siem(forged), 401, "token-invalid"),
        (audit.siem(aud=INGEST_AUDIENCE), 401, "token-invalid"),
        (audit.siem(exp=expired), 401, "token-expired"),
        (audit.siem(scope="recordings:write"), 403, "scope-missing"),
        (audit.siem(scope=None), 403, "scope-missing"),
        (audit.auditor(amr=["pwd"]), 401, "mfa-required"),
        (audit.auditor(roles=["supervisor"]), 403, "role-missing"),
        (audit.auditor(roles=None), 403, "role-missing"),
        # A scope in a person's token is no role.
        (audit.auditor(roles=[], scope="events:read"), 403, "role-missing"),
    ]


@pytest.mark.parametrize("action", sorted(ROUTES))
async def test_refusals_at_every_route_are_leaves(audit: World, action: str) -> None:
    table = attempts(audit)
    async with audit.at_work():
        for headers, status, expected in table:
            answer = await audit.get(ROUTES[action], headers)
            assert (answer.status_code, slug(answer)) == (status, expected), answer.text
            assert (status != 401) or answer.headers["www-authenticate"].startswith("Bearer")
        await audit.recorded(len(table))
        told = [json.loads(body)["unmapped"]["callward"] for body in await audit.every_leaf()]
        assert sorted(each["reason"] for each in told) == sorted(expected for _, _, expected in table)
        assert {each["action"] for each in told} == {action}
        mine = [json.loads(body) for body in await audit.bodies()]
    # Those who could be identified stand in their tenant's record, with who they are.
    assert {each["actor"]["user"]["uid"] for each in mine} == {"siem", "ada"}
    assert len(mine) == len([expected for _, _, expected in table if not expected.startswith("token-")])
    assert all(each["status_id"] == 2 for each in mine)


@pytest.mark.parametrize("action", sorted(ROUTES))
async def test_those_who_may_read(audit: World, action: str) -> None:
    readers = [
        audit.siem(),
        audit.siem(scope="x events:read"),
        audit.auditor(),
        audit.auditor(roles=["siem-reader"]),
    ]
    async with audit.at_work():
        await audit.publish(event(1))
        await audit.covered(1)
        for headers in readers:
            answer = await audit.get(ROUTES[action], headers)
            assert answer.status_code == (404 if action == "events.prove" else 200), answer.text


@pytest.mark.parametrize("pool_size", [1])
async def test_tenants_in_turns_over_one_connection(audit: World) -> None:
    mine, theirs = event(1), event(2, tenant=OTHER.tenant_id)
    async with audit.at_work():
        await audit.publish(mine, theirs)
        await audit.covered(2)
        for _ in range(3):
            for reader, own, foreign in (
                (audit.siem(), mine, theirs),
                (audit.siem(audit.others), theirs, mine),
            ):
                pulled = await audit.get("/v1/events", reader)
                shown = [json.loads(line)["metadata"]["uid"] for line in pulled.content.splitlines()]
                assert shown == [own.id]
                assert (await audit.get(f"/v1/events/{own.id}/proof", reader)).status_code == 200
                assert (await audit.get(f"/v1/events/{foreign.id}/proof", reader)).status_code == 404


@pytest.mark.parametrize("settings", [{"strangers_per_minute": 2}], indirect=True)
async def test_strangers_fill_the_record_only_so_fast(audit: World) -> None:
    for _ in range(6):
        assert (await audit.get("/v1/events", {})).status_code == 401
    rows = await audit.rows("SELECT tenant_id, key FROM outbox")
    assert [(row["tenant_id"], row["key"]) for row in rows] == [("", "audit")] * 2
