"""What audit needs of the world, in its own words."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from callward_audit.domain.model import Leaf, LogHead, SignedCheckpoint, Watermark
from callward_common.events.bus import Partition
from callward_common.identity import Actor
from callward_crypto.merkle import Node, NodeId


class LedgerUnit(Protocol):
    """One batch: leaves, tree, positions and watermarks become durable together or not at all."""

    async def head(self) -> LogHead | None:
        """Return the head of the newest log, locked; None before the first. Raises WriterFenced."""
        ...

    async def unseen(self, event_ids: Collection[str]) -> set[str]:
        """Mark events as taken and return those that were not before."""
        ...

    async def add(self, head: LogHead, leaves: Sequence[Leaf], nodes: Sequence[Node]) -> None:
        """Add leaves and the tree nodes they completed, and move the head."""
        ...

    async def advance(self, log: str, sequences: Mapping[str, Collection[int]]) -> None:
        """Move each producer's watermark as far as its sequences have no gap; `log` is where they went."""
        ...

    async def move(self, positions: Mapping[Partition, int]) -> None:
        """Keep the next positions to read."""
        ...


class Ledger(Protocol):
    """Begins batches. One writer at a time: a later epoch fences an earlier one off."""

    def batch(self, epoch: int) -> AbstractAsyncContextManager[LedgerUnit]:
        """Begin a batch of the writer with this epoch."""
        ...

    async def begin_epoch(self) -> int:
        """Return a new epoch, higher than any before."""
        ...

    async def position(self, partition: Partition) -> int | None:
        """Return the next position to read."""
        ...


class Log(Protocol):
    """Reads logs: heads, checkpoints and tree nodes."""

    async def heads(self) -> Sequence[LogHead]:
        """Return the heads of all logs, newest first."""
        ...

    async def nodes(self, log: str, wanted: Collection[NodeId]) -> Mapping[NodeId, bytes]:
        """Return the stored hashes of complete subtrees."""
        ...

    async def checkpoint(self, log: str) -> SignedCheckpoint | None:
        """Return the newest checkpoint of a log."""
        ...

    async def add_checkpoint(self, checkpoint: SignedCheckpoint) -> None:
        """Keep a checkpoint; the same one again is fine."""
        ...


class Leaves(Protocol):
    """Reads the leaves of one tenant."""

    def read(self, tenant_id: str, log: str, start: int, limit: int) -> AsyncIterator[Leaf]:
        """Yield the tenant's leaves of a log from index `start` on, in order."""
        ...

    async def find(self, tenant_id: str, event_id: str) -> tuple[str, Leaf] | None:
        """Return the log and leaf of an event of this tenant."""
        ...


class Watermarks(Protocol):
    """Reads watermarks."""

    async def watermark(self, producer: str) -> Watermark:
        """Return a producer's watermark; 0 when nothing of it is on record."""
        ...


class CheckpointSigner(Protocol):
    """Key-management, as the first witness of the log."""

    async def last(self, origin: str) -> tuple[int, bytes]:
        """Return size and root of the last checkpoint signed for an origin; size 0 when there is none."""
        ...

    async def sign(self, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> str:
        """Return the signed note. Raises when the proof does not show that the tree only grew."""
        ...


class Denials(Protocol):
    """Puts refusals at this door on record."""

    async def denied(self, tenant_id: str, actor: Actor, action: str, reason: str) -> None:
        """Record a refusal. `tenant_id` is empty where nobody was identified."""
        ...
