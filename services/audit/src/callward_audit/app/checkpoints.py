"""Has checkpoints signed: each shown to grow out of the last one that key-management signed."""

import asyncio

from callward_audit.domain.model import LogHead, SignedCheckpoint
from callward_audit.ports import CheckpointSigner, Log
from callward_common.clock import Clock
from callward_crypto.merkle import EMPTY_ROOT, CompactRange, build_consistency, consistency_nodes


class Checkpoints:
    """Signs the head of the newest log whenever it has grown."""

    def __init__(self, log: Log, signer: CheckpointSigner, clock: Clock) -> None:
        self._log = log
        self._signer = signer
        self._clock = clock
        # One at a time: a head that was read earlier and is signed later would look like a log that shrank.
        self._signing = asyncio.Lock()

    async def newest(self) -> LogHead | None:
        """Return the head of the newest log."""
        heads = await self._log.heads()
        return heads[0] if heads else None

    async def sign_if_grown(self) -> SignedCheckpoint | None:
        """Sign the newest head if no checkpoint covers it; None when there is nothing to sign."""
        async with self._signing:
            head = await self.newest()
            if head is None or head.size == 0:
                return None
            known = await self._log.checkpoint(head.log)
            if known is not None and known.size >= head.size:
                return None
            return await self._sign(head)

    async def sign(self, head: LogHead) -> SignedCheckpoint:
        """Have a head signed. Key-management refuses a tree that is not an extension of the last it signed."""
        async with self._signing:
            return await self._sign(head)

    async def _sign(self, head: LogHead) -> SignedCheckpoint:
        root = CompactRange(head.size, head.frontier).root() if head.size else EMPTY_ROOT
        signed, _ = await self._signer.last(head.origin)
        proof: list[bytes] = []
        if 0 < signed < head.size:
            nodes = await self._log.nodes(head.log, consistency_nodes(signed, head.size))
            proof = build_consistency(signed, head.size, nodes)
        note = await self._signer.sign(head.origin, head.size, root, proof)
        checkpoint = SignedCheckpoint(head.log, head.size, root, note, self._clock.now())
        await self._log.add_checkpoint(checkpoint)
        return checkpoint
