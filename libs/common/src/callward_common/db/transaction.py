"""One unit of work: what it changes and the events that tell of it are committed together."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callward_common.clock import Clock
from callward_common.db.tables import outbox
from callward_common.events.options import is_enforced, topic_of
from callward_common.events.privacy import InvalidEvent, check_event
from callward_common.ids import new_id, parse_id
from callward_common.telemetry import tracing


class Transaction:
    """A database transaction for one tenant, or for none. For one task, within its block."""

    def __init__(
        self, connection: AsyncConnection, tenant: str | None, *, clock: Clock, max_event_bytes: int
    ) -> None:
        """Made by `Database.transaction`. `tenant` None: row-level security shows no tenant's rows."""
        self.connection, self.tenant = connection, tenant
        self._clock, self._max_event_bytes = clock, max_event_bytes
        self._events: list[dict[str, Any]] = []
        self._callbacks: list[Callable[[], None]] = []

    def emit(self, message: Message, *, key: str, tenant: str, event_id: str | None = None) -> str:
        """Adds an event to this transaction and returns its id (UUIDv7); published in the order of `emit` per key.

        `tenant` is empty where nobody's tenant is known. Raises PhiInEvent for a value that must not be published,
        InvalidEvent for a message without topic or actor, larger than the limit, or of another tenant.
        """
        check_event(message)
        if not key:
            raise InvalidEvent("An event needs a key.")
        if self.tenant is not None and tenant != self.tenant:
            raise InvalidEvent("An event is of another tenant than its transaction.")
        data = message.SerializeToString(deterministic=True)
        if len(data) > self._max_event_bytes:
            raise InvalidEvent(
                f"{message.DESCRIPTOR.full_name} is larger than {self._max_event_bytes} bytes."
            )
        identity = new_id() if event_id is None else parse_id(event_id)
        self._events.append(
            {
                "event_id": identity,
                "topic": topic_of(message),
                "key": key,
                "type": message.DESCRIPTOR.full_name,
                "tenant_id": tenant,
                "enforced": is_enforced(message),
                "traceparent": tracing.inject(),
                "occurred_at": self._clock.now(),
                "data": data,
            }
        )
        return identity

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Runs `callback` after the commit, and never when the transaction fails."""
        self._callbacks.append(callback)

    async def flush(self) -> bool:
        """Writes the events into the outbox; true when there were any. `Database.transaction` does it at the end.

        As late as possible: the lower an event's id, the sooner its transaction was about to commit.
        """
        if not self._events:
            return False
        await self.connection.execute(insert(outbox), self._events)
        self._events = []
        return True

    def committed(self) -> None:
        """Runs the callbacks. `Database.transaction` calls it after the commit."""
        for callback in self._callbacks:
            callback()
