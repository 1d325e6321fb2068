"""Tenants and people's tokens, by the mechanisms that every door has."""

from callward_common.tenancy.model import TenantDirectory
from callward_common.tokens import TokenVerifier
from callward_keys.ports import Person


class TokenPeople:
    """Verifies people's tokens itself: the gateway's word is not enough to open a key."""

    def __init__(self, verifier: TokenVerifier, *, audience: str) -> None:
        """`audience`: the one that the tokens have to be made for."""
        self._verifier, self._audience = verifier, audience

    async def verify(self, token: str) -> Person:
        """Returns the person, or raises TokenMissing, TokenInvalid or TokenExpired."""
        return await self._verifier.verify(f"Bearer {token}", audiences=[self._audience], kind="people")


class DirectoryTenants:
    """Knows the tenants from the service's own projection."""

    def __init__(self, directory: TenantDirectory) -> None:
        self._directory = directory

    async def is_active(self, tenant_id: str) -> bool:
        """Says whether the tenant is known here and not suspended."""
        tenant = await self._directory.get(tenant_id)
        return tenant is not None and tenant.active
