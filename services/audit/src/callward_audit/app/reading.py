"""Reads the record: events of one tenant, checkpoints and proofs."""

from collections.abc import AsyncIterator, Sequence

from callward_audit.domain.errors import EventNotFound, InvalidProofRequest, LogNotFound, NotYetCovered
from callward_audit.domain.model import InclusionProof, Leaf, LogHead, SignedCheckpoint
from callward_audit.ports import Leaves, Log
from callward_crypto.merkle import (
    build_consistency,
    build_inclusion,
    consistency_nodes,
    inclusion_nodes,
)


class ReadingApp:
    """Serves events, checkpoints and proofs. Proofs are always under a signed checkpoint."""

    def __init__(self, log: Log, leaves: Leaves) -> None:
        self._log = log
        self._leaves = leaves

    async def logs(self) -> Sequence[LogHead]:
        """Return all logs, newest first."""
        return await self._log.heads()

    def events(self, tenant_id: str, log: str, start: int, limit: int) -> AsyncIterator[Leaf]:
        """Yield a tenant's events of one log from a leaf index on, oldest first."""
        return self._leaves.read(tenant_id, log, start, limit)

    async def checkpoint(self, log: str) -> SignedCheckpoint:
        """Return the newest checkpoint of a log. Raises LogNotFound or NotYetCovered."""
        checkpoint = await self._log.checkpoint(log)
        if checkpoint is None:
            if all(head.log != log for head in await self._log.heads()):
                raise LogNotFound("there is no log with this name")
            raise NotYetCovered("no checkpoint of this log is signed yet", retry_after=1)
        return checkpoint

    async def prove_event(
        self, tenant_id: str, event_id: str, *, producer: str | None = None
    ) -> InclusionProof:
        """Prove that an event of this tenant is in its log, under the newest checkpoint.

        `producer`: whose event it has to be; None for whoever may read all of the tenant's.
        """
        found = await self._leaves.find(tenant_id, event_id)
        if found is None or producer not in (None, found[1].producer):
            raise EventNotFound("there is no event with this id")
        log, leaf = found
        checkpoint = await self.checkpoint(log)
        if leaf.index >= checkpoint.size:
            raise NotYetCovered("the event is on record and not under a checkpoint yet", retry_after=1)
        return InclusionProof(leaf, checkpoint, await self._inclusion(log, leaf.index, checkpoint.size))

    async def inclusion(self, log: str, index: int, size: int) -> Sequence[bytes]:
        """Prove a leaf index under a tree size that a checkpoint covers."""
        checkpoint = await self.checkpoint(log)
        if not 0 <= index < size:
            raise InvalidProofRequest("the index lies outside the tree")
        self._demand_covered(size, checkpoint)
        return await self._inclusion(log, index, size)

    async def consistency(self, log: str, old: int, new: int) -> Sequence[bytes]:
        """Prove that the tree of `new` leaves extends that of `old`."""
        checkpoint = await self.checkpoint(log)
        if not 0 < old <= new:
            raise InvalidProofRequest("the sizes are not those of a tree and its extension")
        self._demand_covered(new, checkpoint)
        nodes = await self._log.nodes(log, consistency_nodes(old, new))
        return build_consistency(old, new, nodes)

    def _demand_covered(self, size: int, checkpoint: SignedCheckpoint) -> None:
        if size > checkpoint.size:
            raise NotYetCovered("no checkpoint covers a tree of this size yet", retry_after=1)

    async def _inclusion(self, log: str, index: int, size: int) -> Sequence[bytes]:
        nodes = await self._log.nodes(log, inclusion_nodes(index, size))
        return build_inclusion(index, size, nodes)
