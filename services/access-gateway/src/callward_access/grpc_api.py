"""The register's gRPC service: request → app → response."""

from typing import Any

from callward.access.v1 import tenant_pb2, tenant_register_service_pb2, tenant_register_service_pb2_grpc
from callward_access.app.register import RegisterApp
from callward_access.domain.errors import InvalidTenant
from callward_common.errors import NotFound
from callward_common.grpc.caller import current_caller
from callward_common.identity import service_actor
from callward_common.tenancy.projection import from_proto as tenant_from_proto
from callward_common.tenancy.projection import to_proto as tenant_to_proto


class TenantRegister(tenant_register_service_pb2_grpc.TenantRegisterServicer):
    """Keeps the register of tenants."""

    def __init__(self, app: RegisterApp) -> None:
        self._app = app

    async def PutTenant(
        self, request: tenant_register_service_pb2.PutTenantRequest, context: Any
    ) -> tenant_register_service_pb2.PutTenantResponse:
        """Create or replace a tenant and publish it."""
        _demand_stated(request.tenant)
        tenant = await self._app.put(service_actor(current_caller()), tenant_from_proto(request.tenant))
        return tenant_register_service_pb2.PutTenantResponse(tenant=tenant_to_proto(tenant))

    async def GetTenant(
        self, request: tenant_register_service_pb2.GetTenantRequest, context: Any
    ) -> tenant_register_service_pb2.GetTenantResponse:
        """Return one tenant."""
        tenant = await self._app.get(request.tenant_id)
        if tenant is None:
            raise NotFound("there is no tenant with this id")
        return tenant_register_service_pb2.GetTenantResponse(tenant=tenant_to_proto(tenant))


def _demand_stated(tenant: tenant_pb2.Tenant) -> None:
    """Refuse what the record would silently leave out or put together."""
    if tenant.status not in (tenant_pb2.TENANT_STATUS_ACTIVE, tenant_pb2.TENANT_STATUS_SUSPENDED):
        raise InvalidTenant("the status is active or suspended")
    kinds = (tenant_pb2.ISSUER_KIND_PEOPLE, tenant_pb2.ISSUER_KIND_MACHINES)
    if any(issuer.kind not in kinds for issuer in tenant.issuers):
        raise InvalidTenant("the tokens of an issuer stand for people or for machines")
    if len({queue.queue for queue in tenant.queues}) != len(tenant.queues):
        raise InvalidTenant("a queue is listed once")
