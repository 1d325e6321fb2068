"""The recording policies of tenants, from this service's own projection."""

from callward_common.tenancy.model import TenantDirectory
from callward_consent.domain.model import QueuePolicy


class TenantPolicies:
    """Reads queue policies out of the tenant directory. Unknown or suspended tenants record nothing."""

    def __init__(self, tenants: TenantDirectory) -> None:
        self._tenants = tenants

    async def queue_policy(self, tenant_id: str, queue: str) -> QueuePolicy:
        """Return the policy of a queue; off for a queue, or a tenant, that is not known or not active."""
        tenant = await self._tenants.get(tenant_id)
        if tenant is None or not tenant.active:
            return QueuePolicy()
        rule = tenant.queues.get(queue)
        if rule is None:
            return QueuePolicy(version=tenant.version)
        return QueuePolicy(rule.recording_on, rule.implied_consent, tenant.version)
