"""The rows of calls: the calls themselves, revisions of their metadata, legs, marks, reconciliations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from callward_ingest.domain.calls import Call, Pseudonym
from callward_ingest.domain.legs import Leg
from callward_ingest.domain.marks import Mark, NewMark
from callward_ingest.domain.marks_late import KeptSound
from callward_ingest.domain.reconciliation import (
    CallsWanted,
    Item,
    ItemFilter,
    ItemPage,
    Reconciliation,
    StoredCall,
)
from callward_ingest.domain.revisions import Revision, RevisionPage


class CallRows(Protocol):
    """The calls of one tenant."""

    async def add(self, call: Call, pseudonyms: Sequence[Pseudonym]) -> None:
        """Puts a new call on record with the pseudonyms it is found by."""
        ...

    async def find(self, call_id: str) -> Call | None:
        """Returns a call, or None where the tenant has none of that id."""
        ...

    async def end(self, call_id: str, ended_at: datetime) -> tuple[datetime, bool]:
        """Sets when the call ended unless it is set already; returns the moment on record, and whether it is new."""
        ...


class RevisionRows(Protocol):
    """The revisions of one tenant's calls. Append-only."""

    async def newest(self, call_id: str, *, lock: bool = False) -> int:
        """Returns the number of the newest revision, 0 for none; `lock` keeps others from adding one meanwhile."""
        ...

    async def add(self, call_id: str, revision: Revision, pseudonyms: Sequence[Pseudonym]) -> None:
        """Puts a revision on record, and adds pseudonyms that the call is found by from now on."""
        ...

    async def page(self, call_id: str, after: int, limit: int) -> RevisionPage:
        """Returns what is shown of the revisions after a number, in order."""
        ...

    async def all(self, call_id: str) -> Sequence[Revision]:
        """Returns every revision of a call with its document, in order."""
        ...


class ReconciliationRows(Protocol):
    """The reconciliations of one tenant. Append-only."""

    async def find_calls(self, wanted: CallsWanted) -> Sequence[StoredCall] | None:
        """Returns the calls wanted and those that share a reference with one; None: too many are in the range."""
        ...

    async def add(self, made: Reconciliation, items: Sequence[Item]) -> None:
        """Puts a reconciliation on record."""
        ...

    async def find(self, reconciliation_id: str) -> Reconciliation | None:
        """Returns a reconciliation without its items."""
        ...

    async def items(self, wanted: ItemFilter) -> ItemPage:
        """Returns a page of a reconciliation's items, in order."""
        ...

    async def page(self, before: str | None, limit: int) -> tuple[Sequence[Reconciliation], bool]:
        """Returns reconciliations, newest first, and whether there are more."""
        ...


class LegRows(Protocol):
    """The legs of one tenant's calls. A leg never changes."""

    async def add(self, call_id: str, leg: Leg) -> None:
        """Puts a new leg on record."""
        ...

    async def find(self, call_id: str, leg_id: str) -> Leg | None:
        """Returns a leg, or None where the call has none of that id."""
        ...

    async def all(self, call_id: str) -> Sequence[Leg]:
        """Returns the legs of a call in the order in which they were added."""
        ...

    async def count(self, call_id: str) -> int:
        """Returns how many legs the call has."""
        ...


class MarkRows(Protocol):
    """The control marks of one tenant's calls. A mark never changes."""

    async def lock(self, call_id: str) -> None:
        """Keeps others from adding legs or marks to the call until the transaction ends."""
        ...

    async def add(self, mark: Mark) -> None:
        """Puts a mark on record at its position."""
        ...

    async def page(self, call_id: str, after: int, limit: int) -> Sequence[Mark]:
        """Returns at most `limit` marks after a position, in order."""
        ...

    async def stated(self, call_id: str) -> Sequence[NewMark]:
        """Returns what all marks of the call state, in the order in which they came."""
        ...

    async def count(self, call_id: str) -> int:
        """Returns how many marks the call has."""
        ...


class HeardRows(Protocol):
    """What of one tenant's calls has to be heard, and what is kept of them."""

    async def add_spoken(self, call_id: str, evidence_id: str, at: datetime) -> None:
        """Notes the moment of an announcement or a spoken consent."""
        ...

    async def spoken(self, call_id: str) -> Sequence[datetime]:
        """Returns the moments of all announcements and spoken consents that were given as evidence."""
        ...

    async def kept(self, call_id: str) -> Sequence[KeptSound]:
        """Returns the recordings of the call that are kept, with what is silenced of them."""
        ...
