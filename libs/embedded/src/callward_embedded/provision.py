"""Provisioning: the demo tenants are put into the register, as an operator would, and known everywhere on return."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from callward.access.v1.tenant_register_service_pb2 import PutTenantRequest
from callward.access.v1.tenant_register_service_pb2_grpc import TenantRegisterStub
from callward_common.clock import Clock
from callward_common.db.database import Database
from callward_common.grpc.client import Channels
from callward_common.tenancy.projection import TenantProjection
from callward_embedded.demo import DemoTenant, tenant_message
from callward_embedded.errors import StartFailed

#: Seconds that all services together may take to hear of the tenants, and between two looks.
_PATIENCE: Final = 30.0
_LOOK: Final = 0.02


async def provision(
    tenants: Sequence[DemoTenant],
    issuers_url: str,
    channels: Channels,
    databases: Mapping[str, Database],
    clock: Clock,
) -> None:
    """Puts each tenant into the register and waits until every service's projection has it.

    `channels` are the operator's. Raises StartFailed naming who does not hear of them.
    """
    register = TenantRegisterStub(channels.channel("access-gateway"))
    versions: dict[str, int] = {}
    for tenant in tenants:
        message = tenant_message(tenant, issuers_url)
        # A first call: the others connect, migrate and wake meanwhile.
        answer = await register.PutTenant(PutTenantRequest(tenant=message), timeout=10)
        versions[tenant.tenant_id] = answer.tenant.version
    late = set(databases)
    try:
        async with asyncio.timeout(_PATIENCE):
            for component, database in databases.items():
                await _known(versions, TenantProjection(database, clock, max_age_seconds=0))
                late.discard(component)
    except TimeoutError:
        raise StartFailed(
            f"Within {_PATIENCE:g} seconds {', '.join(sorted(late))} did not hear of the tenants."
        ) from None


async def _known(versions: Mapping[str, int], projection: TenantProjection) -> None:
    for tenant_id, version in versions.items():
        while True:
            record = await projection.get(tenant_id)
            if record is not None and record.version >= version:
                break
            await asyncio.sleep(_LOOK)
