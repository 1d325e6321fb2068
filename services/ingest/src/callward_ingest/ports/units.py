"""Transactions."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from callward_ingest.domain.events import DomainEvent
from callward_ingest.ports.calls import (
    CallRows,
    HeardRows,
    LegRows,
    MarkRows,
    ReconciliationRows,
    RevisionRows,
)
from callward_ingest.ports.uploads import AttemptRows, IdempotencyRows, PartRows, RecordingRows, UploadRows
from callward_ingest.ports.webhooks import DeliveryRows, WebhookRows


class Unit(Protocol):
    """One transaction of one tenant. Leaving it with an exception undoes everything in it."""

    @property
    def calls(self) -> CallRows:
        """The tenant's calls."""
        ...

    @property
    def revisions(self) -> RevisionRows:
        """The revisions of the tenant's calls."""
        ...

    @property
    def reconciliations(self) -> ReconciliationRows:
        """The tenant's reconciliations."""
        ...

    @property
    def attempts(self) -> AttemptRows:
        """The tenant's attempts to receive recordings."""
        ...

    @property
    def recordings(self) -> RecordingRows:
        """The tenant's recordings."""
        ...

    @property
    def uploads(self) -> UploadRows:
        """The tenant's uploads."""
        ...

    @property
    def parts(self) -> PartRows:
        """The parts of the tenant's recordings."""
        ...

    @property
    def legs(self) -> LegRows:
        """The legs of the tenant's calls."""
        ...

    @property
    def marks(self) -> MarkRows:
        """The control marks of the tenant's calls."""
        ...

    @property
    def heard(self) -> HeardRows:
        """What of the tenant's calls has to be heard."""
        ...

    @property
    def idempotency(self) -> IdempotencyRows:
        """The tenant's idempotency keys."""
        ...

    @property
    def webhooks(self) -> WebhookRows:
        """The tenant's webhooks."""
        ...

    @property
    def deliveries(self) -> DeliveryRows:
        """The deliveries of the tenant's webhooks."""
        ...

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        """Puts an event on record with this transaction, under the id given or a new one."""
        ...


class Units(Protocol):
    """Opens transactions."""

    def begin(self, tenant: str) -> AbstractAsyncContextManager[Unit]:
        """Opens one transaction that sees one tenant's rows alone."""
        ...
