"""The register of tenants: operators only, valid documents only, one tenant for each issuer and audience."""

from dataclasses import replace
from typing import Any

import pytest

from callward.access.v1 import tenant_pb2
from callward.access.v1.tenant_register_service_pb2 import GetTenantRequest, PutTenantRequest
from callward.audit.v1 import actor_pb2
from callward_common.errors import CallwardError, NotFound
from callward_common.tenancy.model import IssuerRecord, QueueRule, TenantRecord
from callward_common.tenancy.projection import to_proto
from tests.integration.access.world import World, until
from tests.support.tenants import MERCY, OTHER, tenant

NEW = tenant("third-practice", "https://people.third.example", "https://machines.third.example")


async def put(
    access: World, record: TenantRecord | tenant_pb2.Tenant, caller: str = "operator"
) -> tenant_pb2.Tenant:
    message = record if isinstance(record, tenant_pb2.Tenant) else to_proto(record)
    answer = await access.register(caller).PutTenant(PutTenantRequest(tenant=message))
    registered: tenant_pb2.Tenant = answer.tenant
    return registered


async def refused(access: World, record: TenantRecord | tenant_pb2.Tenant, caller: str = "operator") -> str:
    with pytest.raises(CallwardError) as caught:
        await put(access, record, caller)
    return caught.value.type


@pytest.mark.parametrize(
    "caller", ["consent", "ingest", "key-management", "audit", "retention", "access-gateway"]
)
async def test_nobody_but_an_operator(access: World, caller: str) -> None:
    assert await refused(access, NEW, caller) == "caller-not-allowed"
    with pytest.raises(CallwardError, match=r"may not call"):
        await access.register(caller).GetTenant(GetTenantRequest(tenant_id=MERCY.tenant_id))
    with pytest.raises(NotFound):
        await access.register().GetTenant(GetTenantRequest(tenant_id=NEW.tenant_id))


async def test_a_tenant_is_published_once_and_its_version_grows(access: World) -> None:
    before = len(await access.events("TenantChanged", 3))
    assert (await put(access, replace(NEW, version=77))).version == 1
    assert (await put(access, NEW)).version == 1
    changed = replace(NEW, display_name="Third Practice & Partners", active=False)
    assert (await put(access, changed)).version == 2
    assert (await put(access, changed)).version == 2
    events = (await access.events("TenantChanged", before + 2))[before:]
    assert [(event.tenant.version, event.tenant.status) for event in events] == [
        (1, tenant_pb2.TENANT_STATUS_ACTIVE),
        (2, tenant_pb2.TENANT_STATUS_SUSPENDED),
    ]
    assert (events[0].actor.kind, events[0].actor.id) == (actor_pb2.ACTOR_KIND_SERVICE, "operator")
    known = await access.register().GetTenant(GetTenantRequest(tenant_id=NEW.tenant_id))
    assert known.tenant == to_proto(replace(changed, version=2))


async def test_an_issuer_and_audience_of_another_tenant_is_refused(access: World) -> None:
    stolen = replace(NEW, issuers=(*NEW.issuers, MERCY.issuers[0]))
    assert await refused(access, stolen) == "issuer-audience-taken"
    # Nothing of it was kept: not the tenant, not its own audiences, no event.
    with pytest.raises(NotFound):
        await access.register().GetTenant(GetTenantRequest(tenant_id=NEW.tenant_id))
    assert await access.rows("SELECT 1 FROM tenant_audiences WHERE tenant_id = $1", NEW.tenant_id) == []
    assert len(await access.events("TenantChanged", 3)) == 3
    other_audience = replace(MERCY.issuers[0], audiences=frozenset({"callward-elsewhere"}))
    await put(access, replace(NEW, issuers=(*NEW.issuers, other_audience)))
    assert await refused(access, replace(OTHER, issuers=(NEW.issuers[0],))) == "issuer-audience-taken"


async def test_an_audience_that_was_given_up_is_free(access: World) -> None:
    await put(access, NEW)
    await put(access, replace(NEW, issuers=NEW.issuers[1:]))
    await put(access, replace(OTHER, issuers=(*OTHER.issuers, NEW.issuers[0])))


async def test_an_issuer_listed_twice_is_refused(access: World) -> None:
    assert await refused(access, replace(NEW, issuers=NEW.issuers * 2)) == "issuer-audience-taken"


ISSUER = NEW.issuers[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": ""},
        {"tenant_id": "ab"},
        {"tenant_id": "a" * 64},
        {"tenant_id": "Third"},
        {"tenant_id": "-third"},
        {"tenant_id": "third-"},
        {"tenant_id": "third practice"},
        {"tenant_id": "third\n"},
        {"display_name": ""},
        {"display_name": "x" * 201},
        {"display_name": "a\x00b"},
        {"display_name": "a\u2028b"},
        {"home_state": "California"},
        {"home_state": "ca"},
        {"home_state": ""},
        {"entity_type": ""},
        {"entity_type": "a hospital"},
        {"retain_years": -1},
        {"retain_years": 101},
        {"delete_after_days": -1},
        {"delete_after_days": 3651},
        {"queues": {"a b": QueueRule("a b", recording_on=True, implied_consent=False)}},
        {"queues": {"": QueueRule("", recording_on=True, implied_consent=False)}},
        {
            "queues": {
                f"q{n}": QueueRule(f"q{n}", recording_on=True, implied_consent=False) for n in range(1001)
            }
        },
        {"issuers": tuple(replace(ISSUER, audiences=frozenset({str(n)})) for n in range(17))},
        {"issuers": (replace(ISSUER, audiences=frozenset()),)},
        {"issuers": (replace(ISSUER, audiences=frozenset({""})),)},
        {"issuers": (replace(ISSUER, audiences=frozenset({"x" * 256})),)},
        {"issuers": (replace(ISSUER, audiences=frozenset(map(str, range(33)))),)},
        {"issuers": (replace(ISSUER, mfa_methods=frozenset({"a\x00"})),)},
        {"issuers": (replace(ISSUER, roles_claim="x" * 256),)},
        {"issuers": (replace(ISSUER, issuer=""),)},
        {"issuers": (replace(ISSUER, issuer="http://people.third.example"),)},
        {"issuers": (replace(ISSUER, issuer="https://[::1"),)},
        {"issuers": (replace(ISSUER, jwks_uri="ftp://people.third.example/jwks"),)},
        {"issuers": (replace(ISSUER, jwks_uri="file:///etc/passwd"),)},
        {"issuers": (replace(ISSUER, jwks_uri="https:///jwks"),)},
        {"issuers": (replace(ISSUER, jwks_uri="https://" + "x" * 300),)},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_is_no_tenant_is_refused(access: World, changes: dict[str, Any]) -> None:
    assert await refused(access, replace(NEW, **changes)) == "invalid-tenant"
    assert len(await access.rows("SELECT 1 FROM tenant_register")) == 3


async def test_what_is_not_stated_is_refused_and_never_guessed(access: World) -> None:
    for change in (
        {"status": tenant_pb2.TENANT_STATUS_UNSPECIFIED},
        {"status": 9},
    ):
        message = to_proto(NEW)
        message.status = change["status"]  # type: ignore[assignment]
        assert await refused(access, message) == "invalid-tenant"
    unknown_kind = to_proto(NEW)
    unknown_kind.issuers[0].kind = tenant_pb2.ISSUER_KIND_UNSPECIFIED
    assert await refused(access, unknown_kind) == "invalid-tenant"
    twice = to_proto(NEW)
    twice.queues.append(twice.queues[0])
    assert await refused(access, twice) == "invalid-tenant"
    assert await refused(access, tenant_pb2.Tenant()) == "invalid-tenant"


async def test_loopback_issuers_may_speak_http(access: World) -> None:
    local = IssuerRecord(
        "http://127.0.0.1:9000/t", frozenset({"a"}), "people", "http://127.0.0.1:9000/t/jwks"
    )
    assert (await put(access, replace(NEW, issuers=(local,)))).version == 1


async def test_an_unknown_tenant_is_not_found(access: World) -> None:
    for tenant_id in ("nobody-here", "", "x" * 5000, "a\x00b"):
        with pytest.raises(NotFound):
            await access.register().GetTenant(GetTenantRequest(tenant_id=tenant_id))


async def test_a_suspended_tenant_is_shut_out_by_its_own_gateway(access: World) -> None:
    assert (await access.call("GET", "/v1/recordings")).status_code == 200
    await put(access, replace(MERCY, active=False))

    async def shut() -> bool:
        return (await access.call("GET", "/v1/recordings")).status_code == 401

    await until(shut)
