"""The recording policies of tenants, from this service's own projection."""

from callward_common.tenancy.model import TenantDirectory
from callward_consent.domain.model import QueuePolicy, RecordingPolicies


class TenantPolicies:
    """Reads queue policies out of the tenant directory. Unknown or suspended tenants record nothing."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def of_tenant(self, tenant_id: str) -> RecordingPolicies:
        """Return the policies of a tenant; none, and so no recording, for one that is not known or not active."""
        tenant = await self._tenants.get(tenant_id)
        if tenant is None or not tenant.active:
            return RecordingPolicies()
        queues = {
            name: QueuePolicy(rule.recording_on, rule.implied_consent, tenant.version)
            for name, rule in tenant.queues.items()
        }
        return RecordingPolicies(tenant.version, queues)
