"""Secrets of webhooks."""

import pytest

from callward_common.errors import InvalidRequest
from callward_common.ids import new_id
from callward_keys.app.webhooks import WebhookSecretDeriving
from callward_keys.domain.errors import TenantNotActive
from callward_keys.domain.webhooks import MAX_VERSION
from tests.unit.keys.fakes import TENANT, World

WEBHOOK = "0193f0a0-0000-7000-8000-00000000beef"


@pytest.fixture
def deriving(world: World) -> WebhookSecretDeriving:
    return WebhookSecretDeriving(world.transit, world.tenants)


async def test_a_secret_is_always_the_same_and_no_other_ones(
    deriving: WebhookSecretDeriving, world: World
) -> None:
    world.tenants.active.add("other-clinic")
    asked = [
        (tenant, webhook, version)
        for tenant in (TENANT, "other-clinic")
        for webhook in (WEBHOOK, new_id())
        for version in (1, 2, 11)
    ]
    first = [await deriving.secret(*each) for each in asked]
    assert [await deriving.secret(*each) for each in asked] == first
    assert len(set(first)) == len(asked)
    assert {len(each) for each in first} == {32}


async def test_a_tenants_key_is_no_key_of_anything_else(
    deriving: WebhookSecretDeriving, world: World
) -> None:
    await deriving.secret(TENANT, WEBHOOK, 1)
    await world.transit.ensure_hmac_key(f"webhook.{TENANT}")
    (same,) = await world.transit.hmac(f"webhook.{TENANT}", [f"callward/1/webhook/{WEBHOOK}/1".encode()])
    assert same == await deriving.secret(TENANT, WEBHOOK, 1)


@pytest.mark.parametrize("version", [0, MAX_VERSION + 1])
async def test_versions_that_cannot_be(deriving: WebhookSecretDeriving, version: int) -> None:
    with pytest.raises(InvalidRequest):
        await deriving.secret(TENANT, WEBHOOK, version)


@pytest.mark.parametrize("webhook_id", ["", "x", WEBHOOK.upper(), f"{WEBHOOK}/2"])
async def test_ids_that_are_none(deriving: WebhookSecretDeriving, webhook_id: str) -> None:
    with pytest.raises(InvalidRequest):
        await deriving.secret(TENANT, webhook_id, 1)


async def test_a_tenant_that_is_not_active_gets_none(deriving: WebhookSecretDeriving) -> None:
    with pytest.raises(TenantNotActive):
        await deriving.secret("nobody", WEBHOOK, 1)
    with pytest.raises(InvalidRequest):
        await deriving.secret("../x", WEBHOOK, 1)
