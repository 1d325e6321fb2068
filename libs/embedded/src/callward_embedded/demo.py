"""Who and what the embedded platform is provisioned with: two tenants, three people and two machines in each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from callward.access.v1 import tenant_pb2

#: What tokens of people and of machines are for: the doors' default audiences.
PEOPLE_AUDIENCES: Final = frozenset({"callward-access", "callward-audit"})
MACHINE_AUDIENCES: Final = frozenset({"callward-ingest", "callward-audit"})


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant of the demonstration. `queues`: whether calls of a queue are recorded; other queues are not."""

    tenant_id: str
    display_name: str
    entity_type: str
    home_state: str
    queues: Mapping[str, bool]


#: Recording is on for one queue of each, and express consent is demanded.
DEMO_TENANTS: Final = (
    DemoTenant(
        "bayview-hospital", "Bayview Hospital", "hospital", "CA", {"appointments": True, "front-desk": False}
    ),
    DemoTenant("lakeside-clinic", "Lakeside Clinic", "physician", "IL", {"appointments": True}),
)

#: People by name, with their roles.
DEMO_USERS: Final[Mapping[str, frozenset[str]]] = {
    "supervisor": frozenset({"supervisor"}),
    "agent": frozenset({"agent"}),
    "auditor": frozenset({"auditor"}),
}

#: Machine clients by id, with the scopes that they may ask for.
DEMO_CLIENTS: Final[Mapping[str, frozenset[str]]] = {
    "call-platform": frozenset({"calls:write", "recordings:write", "webhooks:manage"}),
    "siem": frozenset({"events:read"}),
}


def tenant_message(tenant: DemoTenant, issuers_url: str) -> tenant_pb2.Tenant:
    """Returns a tenant as an operator puts it into the register. `issuers_url`: where the loopback issuer is."""
    base = f"{issuers_url}/{tenant.tenant_id}"
    kinds = (
        ("people", tenant_pb2.ISSUER_KIND_PEOPLE, PEOPLE_AUDIENCES),
        ("machines", tenant_pb2.ISSUER_KIND_MACHINES, MACHINE_AUDIENCES),
    )
    return tenant_pb2.Tenant(
        tenant_id=tenant.tenant_id,
        display_name=tenant.display_name,
        status=tenant_pb2.TENANT_STATUS_ACTIVE,
        entity_type=tenant.entity_type,
        home_state=tenant.home_state,
        issuers=[
            tenant_pb2.Issuer(
                issuer=f"{base}/{name}",
                audiences=sorted(audiences),
                kind=kind,
                jwks_uri=f"{base}/{name}/jwks.json",
            )
            for name, kind, audiences in kinds
        ],
        queues=[
            tenant_pb2.QueuePolicy(
                queue=queue,
                recording=tenant_pb2.RECORDING_MODE_ON if recorded else tenant_pb2.RECORDING_MODE_OFF,
                consent=tenant_pb2.CONSENT_MODE_EXPRESS,
            )
            for queue, recorded in sorted(tenant.queues.items())
        ],
    )
