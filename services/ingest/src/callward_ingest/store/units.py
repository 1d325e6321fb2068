"""Ingest's unit of work over PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from callward_common.db import Database, Transaction
from callward_ingest.domain.events import DomainEvent
from callward_ingest.events import to_message
from callward_ingest.store.calls import DatabaseCalls
from callward_ingest.store.idempotency import DatabaseIdempotency
from callward_ingest.store.legs import DatabaseLegs
from callward_ingest.store.marks import DatabaseHeard, DatabaseMarks
from callward_ingest.store.parts import DatabaseParts
from callward_ingest.store.reconciliation import DatabaseReconciliations
from callward_ingest.store.recordings import DatabaseAttempts, DatabaseRecordings
from callward_ingest.store.revisions import DatabaseRevisions
from callward_ingest.store.uploads import DatabaseUploads
from callward_ingest.store.webhook_deliveries import DatabaseDeliveries
from callward_ingest.store.webhook_notices import Notices
from callward_ingest.store.webhooks import DatabaseWebhooks


class DatabaseUnit:
    """One transaction of one tenant."""

    def __init__(
        self, transaction: Transaction, tenant: str, *, keep_answers: timedelta, holder: int | None
    ) -> None:
        self._transaction = transaction
        self._tenant = tenant
        self.calls = DatabaseCalls(transaction.connection, tenant)
        self.revisions = DatabaseRevisions(transaction.connection, tenant)
        self.reconciliations = DatabaseReconciliations(transaction.connection, tenant)
        self.attempts = DatabaseAttempts(transaction.connection, tenant)
        self.recordings = DatabaseRecordings(transaction.connection, tenant)
        self.uploads = DatabaseUploads(transaction.connection, tenant, holder=holder)
        self.parts = DatabaseParts(transaction.connection, tenant)
        self.legs = DatabaseLegs(transaction.connection, tenant)
        self.marks = DatabaseMarks(transaction.connection, tenant)
        self.heard = DatabaseHeard(transaction.connection, tenant)
        self.webhooks = DatabaseWebhooks(transaction.connection, tenant)
        self.deliveries = DatabaseDeliveries(transaction.connection, tenant)
        #: What webhooks are told of this transaction's events, in the same transaction.
        self.notices = Notices(transaction.connection, tenant)
        self.idempotency = DatabaseIdempotency(transaction.connection, tenant, keep=keep_answers)

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        """Puts an event on record with this transaction, under the id given or a new one."""
        message, key = to_message(event)
        identity = self._transaction.emit(message, key=key, tenant=self._tenant, event_id=event_id)
        self.notices.add(event, identity)


class DatabaseUnits:
    """Opens transactions, one tenant each."""

    def __init__(self, db: Database, *, keep_answers: timedelta, holder: int | None = None) -> None:
        """`keep_answers`: how long the answer that an Idempotency-Key stands for is kept.

        `holder`: the number of this process, for uploads that only it can go on with.
        """
        self._holder = holder
        self._db = db
        #: Set when a transaction of this process has made a webhook's delivery due.
        self.webhooks_due = asyncio.Event()
        self._keep_answers = keep_answers

    @asynccontextmanager
    async def begin(self, tenant: str) -> AsyncIterator[DatabaseUnit]:
        """Opens a transaction that commits when its block ends. The empty tenant is nobody's: it sees no rows."""
        async with self._db.transaction(tenant or None) as transaction:
            unit = DatabaseUnit(transaction, tenant, keep_answers=self._keep_answers, holder=self._holder)
            yield unit
            if await unit.notices.flush(self._db.clock.now()):
                transaction.on_commit(self.webhooks_due.set)
