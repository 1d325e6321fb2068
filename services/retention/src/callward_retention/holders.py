"""The tenants as holders of records, from this service's own projection."""

from datetime import timedelta

from callward_common.tenancy.model import TenantDirectory
from callward_retention.domain.model import Holder


class TenantHolders:
    """Reads holders out of the tenant directory."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def holder(self, tenant_id: str) -> Holder | None:
        """Return the tenant as a holder, or None when it is not known or not active."""
        tenant = await self._tenants.get(tenant_id)
        if tenant is None or not tenant.active:
            return None
        return Holder(
            entity_type=tenant.entity_type,
            home_state=tenant.home_state,
            retain_years=tenant.retain_years,
            delete_after=timedelta(days=tenant.delete_after_days),
            policy_version=tenant.version,
        )
