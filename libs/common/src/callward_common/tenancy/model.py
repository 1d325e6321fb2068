"""What a service knows of a tenant."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

IssuerKind = Literal["people", "machines"]


@dataclass(frozen=True, slots=True)
class IssuerRecord:
    """An issuer of tokens that belongs to one tenant. Empty `mfa_methods`: the default rule of NIST SP 800-63B."""

    issuer: str
    audiences: frozenset[str]
    kind: IssuerKind
    jwks_uri: str
    mfa_methods: frozenset[str] = frozenset()
    roles_claim: str = "roles"


@dataclass(frozen=True, slots=True)
class QueueRule:
    """The recording policy of one queue. `implied_consent`: an announcement may suffice where the law's row allows."""

    queue: str
    recording_on: bool
    implied_consent: bool


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant. A queue that is not in `queues` is not recorded; `retain_years` 0 means as the law says."""

    tenant_id: str
    display_name: str
    version: int
    active: bool
    entity_type: str
    home_state: str
    issuers: tuple[IssuerRecord, ...]
    queues: Mapping[str, QueueRule]
    retain_years: int
    delete_after_days: int


class TenantDirectory(Protocol):
    """Finds tenants. Suspended ones are found too: who uses a record looks at `active`."""

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Returns the tenant, or None when it is not known here."""
        ...

    async def by_issuer(self, issuer: str, audiences: Collection[str]) -> TenantRecord | None:
        """Returns the one tenant that registered `issuer` with one of `audiences`; None when none or several did."""
        ...
