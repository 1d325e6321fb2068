"""The secrets of webhooks, derived anew each time they are asked for."""

from callward_keys.domain import webhooks
from callward_keys.domain.errors import TenantNotActive, TransitKeyMissing
from callward_keys.ports import Pseudonyms, Tenants


class WebhookSecretDeriving:
    """The use case of WebhookSecrets. Nothing is stored but the tenant's HMAC key in transit."""

    def __init__(self, transit: Pseudonyms, tenants: Tenants) -> None:
        self._transit, self._tenants = transit, tenants

    async def secret(self, tenant_id: str, webhook_id: str, version: int) -> bytes:
        """Returns a secret (32 bytes): always the same for the same webhook and version. Raises TenantNotActive."""
        name = webhooks.secret_transit_key(tenant_id)
        message = webhooks.secret_message(webhook_id, version)
        if not await self._tenants.is_active(tenant_id):
            raise TenantNotActive("The tenant is not known here or not active.")
        try:
            (secret,) = await self._transit.hmac(name, [message])
        except TransitKeyMissing:
            await self._transit.ensure_hmac_key(name)
            (secret,) = await self._transit.hmac(name, [message])
        return secret
