"""Example tenants, and a directory that holds them."""

from collections.abc import Collection
from dataclasses import replace

from callward_common.tenancy.model import IssuerRecord, QueueRule, TenantRecord

PEOPLE_ISSUER = "https://people.mercy.example"
MACHINES_ISSUER = "https://machines.mercy.example"
JWKS_PEOPLE = f"{PEOPLE_ISSUER}/jwks"
JWKS_MACHINES = f"{MACHINES_ISSUER}/jwks"
INGEST_AUDIENCE, ACCESS_AUDIENCE, AUDIT_AUDIENCE = "callward-ingest", "callward-access", "callward-audit"
ALL_AUDIENCES = frozenset({INGEST_AUDIENCE, ACCESS_AUDIENCE, AUDIT_AUDIENCE})


def tenant(
    tenant_id: str, people: str, machines: str, *, version: int = 1, active: bool = True
) -> TenantRecord:
    """Gives a hospital in California that records its queue "cardiology" and not "billing"."""
    return TenantRecord(
        tenant_id=tenant_id,
        display_name=tenant_id.replace("-", " ").title(),
        version=version,
        active=active,
        entity_type="hospital",
        home_state="CA",
        issuers=(
            IssuerRecord(people, ALL_AUDIENCES, "people", f"{people}/jwks"),
            IssuerRecord(machines, ALL_AUDIENCES, "machines", f"{machines}/jwks"),
        ),
        queues={
            "cardiology": QueueRule("cardiology", recording_on=True, implied_consent=False),
            "billing": QueueRule("billing", recording_on=False, implied_consent=False),
        },
        retain_years=0,
        delete_after_days=30,
    )


MERCY = tenant("mercy-general", PEOPLE_ISSUER, MACHINES_ISSUER)
OTHER = tenant("other-clinic", "https://people.other.example", "https://machines.other.example")
SUSPENDED = tenant(
    "closed-clinic", "https://people.closed.example", "https://machines.closed.example", active=False
)


class StaticTenantDirectory:
    """A TenantDirectory over the records it is given, which tests may change."""

    def __init__(self, *records: TenantRecord) -> None:
        """Without records: MERCY, OTHER and SUSPENDED."""
        self.records = {record.tenant_id: record for record in records or (MERCY, OTHER, SUSPENDED)}

    def suspend(self, tenant_id: str) -> None:
        """Suspends a tenant."""
        self.records[tenant_id] = replace(self.records[tenant_id], active=False)

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Returns the tenant, or None."""
        return self.records.get(tenant_id)

    async def by_issuer(self, issuer: str, audiences: Collection[str]) -> TenantRecord | None:
        """Returns the one tenant with the issuer and one of the audiences."""
        found = [
            record
            for record in self.records.values()
            if any(i.issuer == issuer and i.audiences & frozenset(audiences) for i in record.issuers)
        ]
        return found[0] if len(found) == 1 else None
