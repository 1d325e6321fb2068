"""Proofs of receipts: that the event a receipt names is in the audit log, as a file that verifies offline."""

from dataclasses import dataclass
from typing import Protocol

from callward_ingest.domain.errors import ProofNotYet, RecordingNotFound


@dataclass(frozen=True, slots=True)
class EventProof:
    """That an event is in the log (RFC 9162 section 2.1.3). `event`: the leaf's exact text; hashes lowest first."""

    log: str
    origin: str
    leaf_index: int
    tree_size: int
    event: str
    inclusion_proof: tuple[bytes, ...]
    checkpoint: str


class ReceiptEvents(Protocol):
    """Which event each receipt names."""

    async def event_of(self, tenant: str, recording_id: str) -> str | None:
        """Returns the id of the event that a recording's receipt names; None where there is no receipt."""
        ...


class EventProofs(Protocol):
    """Audit, as far as it proves to ingest what ingest told it."""

    async def prove(self, tenant: str, event_id: str) -> EventProof | None:
        """Returns the proof of an event; None while no checkpoint covers it."""
        ...


class Proofs:
    """Proves receipts. A receipt is younger than its proof by the seconds in which a checkpoint is signed."""

    def __init__(self, receipts: ReceiptEvents, events: EventProofs, *, retry_after: float) -> None:
        """`retry_after`: seconds after which a proof that is not there yet may be."""
        self._receipts = receipts
        self._events = events
        self._retry_after = retry_after

    async def of_receipt(self, tenant: str, recording_id: str) -> EventProof:
        """Returns the proof for a recording's receipt. Raises RecordingNotFound or ProofNotYet."""
        event_id = await self._receipts.event_of(tenant, recording_id)
        if event_id is None:
            raise RecordingNotFound("There is no receipt for this recording.")
        proof = await self._events.prove(tenant, event_id)
        if proof is None:
            raise ProofNotYet(
                "The receipt's event is not under a checkpoint yet.", retry_after=self._retry_after
            )
        return proof
