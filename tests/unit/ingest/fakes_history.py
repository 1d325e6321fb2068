"""Fakes of late metadata's and reconciliation's rows: in memory, with the promises of the real ones."""

from collections.abc import MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass, field

from callward_ingest.domain.calls import Call, Pseudonym
from callward_ingest.domain.reconciliation import (
    CallsWanted,
    Item,
    ItemFilter,
    ItemPage,
    Reconciliation,
    StoredCall,
)
from callward_ingest.domain.revisions import Revision, RevisionPage


@dataclass
class History:
    """The rows of one tenant. `found`: what a reconciliation finds, None for too much; `wanted`: what it asked for."""

    revisions: dict[str, list[Revision]] = field(default_factory=dict)
    reconciliations: dict[str, tuple[Reconciliation, Sequence[Item]]] = field(default_factory=dict)
    found: Sequence[StoredCall] | None = ()
    wanted: list[CallsWanted] = field(default_factory=list)


class MemoryRevisions:
    def __init__(
        self,
        history: History,
        calls: MutableMapping[str, Call],
        pseudonyms: MutableSequence[Pseudonym],
    ) -> None:
        self._history, self._calls, self._pseudonyms = history, calls, pseudonyms

    async def newest(self, call_id: str, *, lock: bool = False) -> int:
        return len(self._history.revisions.get(call_id, []))

    async def add(self, call_id: str, revision: Revision, pseudonyms: Sequence[Pseudonym]) -> None:
        assert call_id in self._calls
        kept = self._history.revisions.setdefault(call_id, [])
        assert revision.entry.number == len(kept) + 1
        kept.append(revision)
        self._pseudonyms.extend(item for item in pseudonyms if item not in self._pseudonyms)

    async def page(self, call_id: str, after: int, limit: int) -> RevisionPage:
        kept = self._history.revisions.get(call_id, [])
        rest = [each.entry for each in kept if each.entry.number > after]
        return RevisionPage(tuple(rest[:limit]), len(rest) > limit, len(kept))

    async def all(self, call_id: str) -> Sequence[Revision]:
        return list(self._history.revisions.get(call_id, []))


class MemoryReconciliations:
    def __init__(self, history: History) -> None:
        self._history = history

    async def find_calls(self, wanted: CallsWanted) -> Sequence[StoredCall] | None:
        self._history.wanted.append(wanted)
        return self._history.found

    async def add(self, made: Reconciliation, items: Sequence[Item]) -> None:
        self._history.reconciliations[made.reconciliation_id] = (made, items)

    async def find(self, reconciliation_id: str) -> Reconciliation | None:
        found = self._history.reconciliations.get(reconciliation_id)
        return None if found is None else found[0]

    async def items(self, wanted: ItemFilter) -> ItemPage:
        kept = self._history.reconciliations[wanted.reconciliation_id][1]
        rest = [
            (number, item)
            for number, item in enumerate(kept)
            if number > wanted.after and wanted.finding in (None, item.finding)
        ]
        shown = rest[: wanted.limit]
        following = shown[-1][0] if len(rest) > wanted.limit else None
        return ItemPage(tuple(item for _, item in shown), following)

    async def page(self, before: str | None, limit: int) -> tuple[Sequence[Reconciliation], bool]:
        newest = sorted(self._history.reconciliations, reverse=True)
        rest = [each for each in newest if before is None or each < before]
        return [self._history.reconciliations[each][0] for each in rest[:limit]], len(rest) > limit
