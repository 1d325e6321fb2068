"""Provisioning tenants."""

import re
from urllib.parse import urlsplit

from callward_access.domain.errors import InvalidTenant
from callward_access.ports import Register
from callward_common.identity import Actor
from callward_common.tenancy.model import IssuerRecord, TenantRecord

_TENANT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]")
_STATE = re.compile(r"[A-Z]{2}")
_CODE = re.compile(r"[a-z0-9_-]{1,64}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_ISSUERS = 16
MAX_QUEUES = 1000
MAX_YEARS = 100


class RegisterApp:
    """Creates and changes tenants, for operators."""

    def __init__(self, register: Register) -> None:
        self._register = register

    async def put(self, actor: Actor, tenant: TenantRecord) -> TenantRecord:
        """Create or replace a tenant. Raises InvalidTenant or AudienceTaken."""
        _demand(
            _TENANT_ID.fullmatch(tenant.tenant_id), "the id is 3 to 63 lower-case letters, digits and hyphens"
        )
        _demand(
            0 < len(tenant.display_name) <= 200 and tenant.display_name.isprintable(),
            "the name is 1 to 200 characters",
        )
        _demand(_STATE.fullmatch(tenant.home_state), "the home state is a code of two capital letters")
        _demand(_CODE.fullmatch(tenant.entity_type), "the entity type is a code")
        _demand(len(tenant.issuers) <= MAX_ISSUERS, f"there are at most {MAX_ISSUERS} issuers")
        _demand(len(tenant.queues) <= MAX_QUEUES, f"there are at most {MAX_QUEUES} queues")
        _demand(0 <= tenant.retain_years <= MAX_YEARS, f"retain_years is 0 to {MAX_YEARS}")
        _demand(0 <= tenant.delete_after_days <= 3650, "delete_after_days is 0 to 3650")
        for issuer in tenant.issuers:
            _demand_issuer(issuer)
        return await self._register.put(actor, tenant)

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Return a tenant as registered."""
        return await self._register.get(tenant_id)


def _demand_issuer(issuer: IssuerRecord) -> None:
    _demand(issuer.audiences, "an issuer has at least one audience")
    for url in (issuer.issuer, issuer.jwks_uri):
        parts = urlsplit(url)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        _demand(
            secure and parts.hostname, "an issuer and its keys are https URLs, or http on a loopback address"
        )


def _demand(condition: object, message: str) -> None:
    if not condition:
        raise InvalidTenant(message)
