"""The ledger and its witness in memory: batches count once their block ended well."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from callward_audit.domain.errors import WriterFenced
from callward_audit.domain.model import Fact, Leaf, LogHead, SignedCheckpoint
from callward_audit.domain.watermark import advance
from callward_common.errors import CallwardError, Category
from callward_common.events.bus import Partition
from callward_common.ids import new_id
from callward_crypto.merkle import Node, NodeId
from tests.support import rfc9162
from tests.support.clock import START


class FakeUnit:
    def __init__(self, ledger: "FakeLedger", epoch: int) -> None:
        self._ledger, self._epoch = ledger, epoch
        self.heads = list(ledger.all_heads)
        self.leaves = {name: list(found) for name, found in ledger.leaves.items()}
        self.tree = dict(ledger.tree)
        self.taken, self.watermarks = set(ledger.taken), dict(ledger.watermarks)
        self.positions = dict(ledger.positions)

    async def head(self) -> LogHead | None:
        if self._epoch != self._ledger.epoch:
            raise WriterFenced("another writer has taken over the log")
        return self.heads[0] if self.heads else None

    async def unseen(self, event_ids: Collection[str]) -> set[str]:
        fresh = set(event_ids) - self.taken
        self.taken |= fresh
        return fresh

    async def add(self, head: LogHead, leaves: Sequence[Leaf], nodes: Sequence[Node]) -> None:
        self.heads = [head, *(each for each in self.heads if each.log != head.log)]
        self.leaves.setdefault(head.log, []).extend(leaves)
        for level, index, value in nodes:
            assert (head.log, level, index) not in self.tree
            self.tree[head.log, level, index] = value

    async def advance(self, log: str, sequences: Mapping[str, Collection[int]]) -> None:
        for producer, seen in sequences.items():
            before, waiting = self.watermarks.get(producer, (0, []))
            self.watermarks[producer] = advance(before, [*waiting, *seen])

    async def move(self, positions: Mapping[Partition, int]) -> None:
        self.positions |= positions


class FakeLedger:
    """Both sides of the ledger: Ledger for the writer, Log for the readers."""

    def __init__(self) -> None:
        self.epoch = 0
        self.all_heads: list[LogHead] = []
        self.leaves: dict[str, list[Leaf]] = {}
        self.tree: dict[tuple[str, int, int], bytes] = {}
        self.taken: set[str] = set()
        self.watermarks: dict[str, tuple[int, list[int]]] = {}
        self.positions: dict[Partition, int] = {}
        self.checkpoints: list[SignedCheckpoint] = []

    @asynccontextmanager
    async def batch(self, epoch: int) -> AsyncIterator[FakeUnit]:
        unit = FakeUnit(self, epoch)
        yield unit
        self.all_heads, self.leaves, self.tree = unit.heads, unit.leaves, unit.tree
        self.taken, self.watermarks, self.positions = unit.taken, unit.watermarks, unit.positions

    async def begin_epoch(self) -> int:
        self.epoch += 1
        return self.epoch

    async def position(self, partition: Partition) -> int | None:
        return self.positions.get(partition)

    async def heads(self) -> Sequence[LogHead]:
        return self.all_heads

    async def nodes(self, log: str, wanted: Collection[NodeId]) -> Mapping[NodeId, bytes]:
        return {(level, index): self.tree[log, level, index] for level, index in wanted}

    async def checkpoint(self, log: str) -> SignedCheckpoint | None:
        found = [each for each in self.checkpoints if each.log == log]
        return max(found, key=lambda each: each.size, default=None)

    async def add_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        self.checkpoints.append(checkpoint)

    def bodies(self, log: str) -> list[bytes]:
        return [leaf.body for leaf in self.leaves[log]]


class Contradiction(CallwardError):
    """As key-management refuses a history that does not grow out of the last one."""

    category = Category.conflict
    type = "checkpoint-conflict"


class FakeWitness:
    """Signs what grows, by the algorithms of RFC 9162 as written there, and refuses everything else."""

    def __init__(self) -> None:
        self.signed: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, int]] = []
        self.failing: CallwardError | None = None

    async def last(self, origin: str) -> tuple[int, bytes]:
        if self.failing is not None:
            raise self.failing
        return self.signed.get(origin, (0, b""))

    async def sign(self, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> str:
        self.asked.append((origin, size))
        known, known_root = self.signed.get(origin, (0, b""))
        grows = known == 0 and not proof
        if not grows and not rfc9162.consistent(known, known_root, size, root, proof):
            raise Contradiction("Another root was signed for this size.")
        self.signed[origin] = (size, root)
        return f"{origin}\n{size}\n{root.hex()}\n"


def fact(
    sequence: int,
    *,
    producer: str = "ingest",
    event_type: str = "callward.ingest.v1.CallOpened",
    tenant: str = "mercy-general",
) -> Fact:
    """An event as it came off the bus."""
    actor = {"kind": "ACTOR_KIND_MACHINE", "id": "pbx-1", "issuer": "https://machines.mercy.example"}
    return Fact(
        event_id=new_id(),
        type=event_type,
        producer=producer,
        sequence=sequence,
        tenant_id=tenant,
        key="key",
        occurred_at=START,
        fields={"actor": actor, "call_id": f"call-{sequence}"},
    )


def again(known: Fact) -> Fact:
    """The same event as it is read once more."""
    return replace(known)
