"""What audit tells the others, and so itself: refusals at its door."""

from callward.audit.v1 import events_pb2
from callward_common.db import Database
from callward_common.events.actors import actor_to_proto
from callward_common.identity import Actor

#: The key of events about somebody who could not be identified.
DOOR = "audit"


class DatabaseDenials:
    """Puts refusals at this door into the outbox: audit records them like everybody's."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def denied(self, tenant_id: str, actor: Actor, action: str, reason: str) -> None:
        """Record a refusal. `tenant_id` is empty where nobody was identified."""
        message = events_pb2.AuditAccessDenied(actor=actor_to_proto(actor), action=action, reason=reason)
        async with self._db.transaction(tenant_id or None) as transaction:
            transaction.emit(message, key=tenant_id or DOOR, tenant=tenant_id)
