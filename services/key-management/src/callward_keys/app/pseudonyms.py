"""Keyed pseudonyms, and the keys under which request bodies are compared."""

from collections.abc import Sequence

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_keys.domain import pseudonyms
from callward_keys.domain.errors import TenantNotActive, TransitKeyMissing
from callward_keys.domain.pseudonyms import MAX_VALUES, IdentifierKind
from callward_keys.ports import Pseudonyms, Tenants


class Pseudonymising:
    """The use cases of Pseudonymiser. Nothing is stored but the keys in transit."""

    def __init__(self, transit: Pseudonyms, tenants: Tenants, clock: Clock) -> None:
        self._transit, self._tenants, self._clock = transit, tenants, clock

    async def pseudonymise(
        self, tenant_id: str, quarter: str, kind: IdentifierKind, values: Sequence[str]
    ) -> Sequence[bytes]:
        """Returns a pseudonym (32 bytes) for each value, in order. Equal values of one kind and quarter meet."""
        if len(values) > MAX_VALUES:
            raise InvalidRequest(f"At most {MAX_VALUES} values can be given.")
        name = pseudonyms.pseudonym_transit_key(tenant_id, quarter, self._clock.now())
        messages = [pseudonyms.message(kind, value) for value in values]
        return await self._hmac(tenant_id, name, messages) if messages else []

    async def fingerprint_key(self, tenant_id: str, date: str) -> bytes:
        """Returns a tenant's fingerprint key (32 bytes) of a day in UTC."""
        name = pseudonyms.fingerprint_transit_key(tenant_id)
        message = pseudonyms.fingerprint_message(date, self._clock.now())
        (key,) = await self._hmac(tenant_id, name, [message])
        return key

    async def _hmac(self, tenant_id: str, name: str, messages: Sequence[bytes]) -> Sequence[bytes]:
        if not await self._tenants.is_active(tenant_id):
            raise TenantNotActive("The tenant is not known here or not active.")
        try:
            return await self._transit.hmac(name, messages)
        except TransitKeyMissing:
            await self._transit.ensure_hmac_key(name)
            return await self._transit.hmac(name, messages)
