"""What retention needs of the world, in its own words."""

from dataclasses import dataclass
from typing import Protocol

from callward_common.identity import Actor
from callward_retention.domain.model import Holder, Plan


@dataclass(frozen=True)
class Planned:
    """A plan was made."""

    actor: Actor
    plan: Plan


class Plans(Protocol):
    """Keeps plans; nothing is ever changed or removed."""

    async def add(self, tenant_id: str, event: Planned) -> None:
        """Keep a plan and tell the others, together."""
        ...


class Holders(Protocol):
    """The tenants as holders of records."""

    async def holder(self, tenant_id: str) -> Holder | None:
        """Return the tenant as a holder, or None when it is not known or not active."""
        ...
