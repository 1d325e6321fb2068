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
_QUEUE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_ISSUERS = 16
MAX_QUEUES = 1000
MAX_YEARS = 100
#: Of an issuer's audiences, and of its mfa_methods.
MAX_VALUES = 32


class RegisterApp:
    """Creates and changes tenants, for operators."""

    def __init__(self, register: Register) -> None:
        self._register = register

    async def put(self, actor: Actor, tenant: TenantRecord) -> TenantRecord:
        """Create or replace a tenant. Raises InvalidTenant or AudienceTaken."""
        _demand_identity(tenant)
        _demand(len(tenant.issuers) <= MAX_ISSUERS, f"there are at most {MAX_ISSUERS} issuers")
        _demand(len(tenant.queues) <= MAX_QUEUES, f"there are at most {MAX_QUEUES} queues")
        _demand(0 <= tenant.retain_years <= MAX_YEARS, f"retain_years is 0 to {MAX_YEARS}")
        _demand(0 <= tenant.delete_after_days <= 3650, "delete_after_days is 0 to 3650")
        _demand(all(map(_QUEUE.fullmatch, tenant.queues)), "a queue is 1 to 64 of letters, digits and ._:-")
        for issuer in tenant.issuers:
            _demand_issuer(issuer)
        return await self._register.put(actor, tenant)

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Return a tenant as registered; None for an id that no tenant can have."""
        if _TENANT_ID.fullmatch(tenant_id) is None:
            return None
        return await self._register.get(tenant_id)


def _demand_identity(tenant: TenantRecord) -> None:
    _demand(
        _TENANT_ID.fullmatch(tenant.tenant_id), "the id is 3 to 63 lower-case letters, digits and hyphens"
    )
    _demand(_is_text(tenant.display_name, 200), "the name is 1 to 200 printable characters")
    _demand(_STATE.fullmatch(tenant.home_state), "the home state is a code of two capital letters")
    _demand(_CODE.fullmatch(tenant.entity_type), "the entity type is a code")


def _demand_issuer(issuer: IssuerRecord) -> None:
    _demand(issuer.audiences, "an issuer has at least one audience")
    _demand(len(issuer.audiences) <= MAX_VALUES, f"an issuer has at most {MAX_VALUES} audiences")
    _demand(len(issuer.mfa_methods) <= MAX_VALUES, f"an issuer has at most {MAX_VALUES} mfa_methods")
    for text in (*issuer.audiences, *issuer.mfa_methods, issuer.roles_claim):
        _demand(_is_text(text, 255), "audiences, mfa_methods and the roles claim are 1 to 255 characters")
    for url in (issuer.issuer, issuer.jwks_uri):
        _demand(_is_text(url, 255), "the URLs of an issuer are 1 to 255 printable characters")
        _demand(_is_safe(url), "an issuer and its keys are https URLs, or http on a loopback address")


def _is_text(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isprintable()


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _demand(condition: object, message: str) -> None:
    if not condition:
        raise InvalidTenant(message)
