"""Puts events on record: leaves, tree, positions and watermarks in one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from callward_audit.app.checkpoints import Checkpoints
from callward_audit.domain import names, ocsf
from callward_audit.domain.model import Fact, Leaf, LogHead
from callward_audit.ports import Ledger, LedgerUnit
from callward_common.clock import Clock
from callward_common.events.bus import Partition
from callward_crypto.merkle import CompactRange, Node, leaf_hash


class LedgerApp:
    """Appends batches of events. An event that was taken before is not taken again."""

    def __init__(self, ledger: Ledger, checkpoints: Checkpoints, clock: Clock, *, host: str) -> None:
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._clock = clock
        self._host = host

    async def append(self, epoch: int, facts: Sequence[Fact], positions: Mapping[Partition, int]) -> int:
        """Put a batch on record and return how many leaves it added. Raises UnmappedEvent or WriterFenced."""
        carried = await self._carried_over()
        async with self._ledger.batch(epoch) as unit:
            head = await self._head(unit, carried)
            fresh = await unit.unseen([fact.event_id for fact in facts])
            # By id: what was delivered twice in one batch is one event.
            once = {fact.event_id: fact for fact in facts if fact.event_id in fresh}
            added, leaves, nodes = _grow(head, list(once.values()))
            await unit.add(added, leaves, nodes)
            await unit.advance(head.log, _sequences(facts))
            await unit.move(positions)
            return len(leaves)

    async def _carried_over(self) -> bytes | None:
        """At the turn of the year: the last checkpoint of the old log, which becomes leaf 0 of the new one."""
        head = await self._checkpoints.newest()
        # A clock that went back does not bring an older log back: the newest is the only one that grows.
        if head is None or head.log >= names.log_name(self._clock.now()) or head.size == 0:
            return None
        checkpoint = await self._checkpoints.sign(head)
        return checkpoint.note.encode()

    async def _head(self, unit: LedgerUnit, carried: bytes | None) -> LogHead:
        head = await unit.head()
        name = names.log_name(self._clock.now())
        if head is not None and (head.log >= name or carried is None):
            return head
        epoch = 0 if head is None else head.epoch
        fresh = LogHead(name, names.origin(self._host, name), 0, (), epoch)
        if carried is None:
            return fresh
        tree = CompactRange()
        nodes = tree.append(leaf_hash(carried))
        now = self._clock.now()
        first = Leaf(0, "", _NO_EVENT, "audit", 0, "checkpoint", now, carried)
        grown = LogHead(name, fresh.origin, tree.size, tree.hashes, epoch)
        await unit.add(grown, [first], nodes)
        return grown


#: The event id of a leaf that is no event: the carried-over checkpoint.
_NO_EVENT = "00000000-0000-0000-0000-000000000000"


def _grow(head: LogHead, facts: Sequence[Fact]) -> tuple[LogHead, list[Leaf], list[Node]]:
    tree = CompactRange(head.size, head.frontier)
    leaves: list[Leaf] = []
    nodes: list[Node] = []
    for fact in facts:
        index = tree.size
        body = ocsf.encode(fact, log=head.log, index=index)
        nodes.extend(tree.append(leaf_hash(body)))
        leaves.append(
            Leaf(
                index=index,
                tenant_id=fact.tenant_id,
                event_id=fact.event_id,
                producer=fact.producer,
                sequence=fact.sequence,
                type=fact.type,
                occurred_at=fact.occurred_at,
                body=body,
            )
        )
    return LogHead(head.log, head.origin, tree.size, tree.hashes, head.epoch), leaves, nodes


def _sequences(facts: Sequence[Fact]) -> Mapping[str, set[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for fact in facts:
        found[fact.producer].add(fact.sequence)
    return found
