"""Ingest's unit of work over PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from callward_common.db import Database, Transaction
from callward_ingest.domain.events import DomainEvent
from callward_ingest.events import to_message
from callward_ingest.store.calls import DatabaseCalls
from callward_ingest.store.idempotency import DatabaseIdempotency
from callward_ingest.store.recordings import DatabaseAttempts, DatabaseRecordings


class DatabaseUnit:
    """One transaction of one tenant."""

    def __init__(self, transaction: Transaction, tenant: str, *, keep_answers: timedelta) -> None:
        self._transaction = transaction
        self._tenant = tenant
        self.calls = DatabaseCalls(transaction.connection, tenant)
        self.attempts = DatabaseAttempts(transaction.connection, tenant)
        self.recordings = DatabaseRecordings(transaction.connection, tenant)
        self.idempotency = DatabaseIdempotency(transaction.connection, tenant, keep=keep_answers)

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        """Puts an event on record with this transaction, under the id given or a new one."""
        message, key = to_message(event)
        self._transaction.emit(message, key=key, tenant=self._tenant, event_id=event_id)


class DatabaseUnits:
    """Opens transactions, one tenant each."""

    def __init__(self, db: Database, *, keep_answers: timedelta) -> None:
        """`keep_answers`: how long the answer that an Idempotency-Key stands for is kept."""
        self._db = db
        self._keep_answers = keep_answers

    @asynccontextmanager
    async def begin(self, tenant: str) -> AsyncIterator[DatabaseUnit]:
        """Opens a transaction that commits when its block ends. The empty tenant is nobody's: it sees no rows."""
        async with self._db.transaction(tenant or None) as transaction:
            yield DatabaseUnit(transaction, tenant, keep_answers=self._keep_answers)
