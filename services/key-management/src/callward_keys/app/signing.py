"""Signs documents. The signing side builds the bytes, so that nobody has one type signed as another."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from callward_common.clock import Clock
from callward_common.identity import Actor
from callward_crypto import checkpoint as notes
from callward_crypto import jws
from callward_crypto.merkle import ProofError, verify_consistency
from callward_keys.app.keyring import SigningKeyring
from callward_keys.domain.checkpoints import (
    Checkpoint,
    SignedCheckpoint,
    demand_growth,
    demand_origin,
    demand_proof,
    repeats,
)
from callward_keys.domain.documents import (
    RECEIPT_TYP,
    DocumentType,
    ReceiptStatement,
    demand_registered,
    receipt_payload,
)
from callward_keys.domain.errors import CheckpointConflict
from callward_keys.domain.events import DocumentSigned
from callward_keys.domain.model import SubjectKind
from callward_keys.ports import CheckpointUnits, Units

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A compact JWS, the SHA-256 of its bytes and the signing key's id."""

    jws: str
    sha256: bytes
    signing_key_id: str


class ReceiptSigning:
    """The use case of ReceiptSigner."""

    def __init__(self, units: Units, keyring: SigningKeyring, clock: Clock) -> None:
        self._units, self._keyring, self._clock = units, keyring, clock

    async def sign(self, actor: Actor, statement: ReceiptStatement) -> SignedDocument:
        """Signs the receipt of a recording whose key is sealed with exactly this manifest; else ManifestMismatch.

        DocumentSigned is committed when this returns. The same statement again gives a document again.
        """
        key = await self._keyring.current(DocumentType.receipt)
        async with self._units.begin(statement.tenant_id) as unit:
            found = await unit.keys.find(SubjectKind.recording, statement.recording_id)
            data_key = demand_registered(found, statement)
            payload = receipt_payload(statement, data_key.commitment, self._clock.now())
            unsigned = jws.signing_input(RECEIPT_TYP, key.key_id, payload)
            document = jws.assemble(unsigned, await self._keyring.sign(key, unsigned))
            signed = SignedDocument(document, hashlib.sha256(document.encode()).digest(), key.key_id)
            unit.record(
                DocumentSigned(
                    actor=actor,
                    document_type=DocumentType.receipt.value,
                    tenant_id=statement.tenant_id,
                    subject_id=statement.recording_id,
                    sha256=signed.sha256,
                    signing_key_id=key.key_id,
                )
            )
        return signed


class CheckpointSigning:
    """The use cases of CheckpointSigner: the first witness of the audit log, in another service."""

    def __init__(self, units: CheckpointUnits, keyring: SigningKeyring) -> None:
        self._units, self._keyring = units, keyring

    async def sign(self, wanted: Checkpoint, proof: Sequence[bytes]) -> SignedCheckpoint:
        """Signs a checkpoint that grows out of the last one; the last one again gives its note again.

        Raises CheckpointConflict and alarms otherwise. No event tells of it: the event would be a leaf, which would
        need a checkpoint, without end.
        """
        demand_proof(proof)
        key = await self._keyring.current(DocumentType.checkpoint)
        async with self._units.begin(wanted.origin) as checkpoints:
            last = await checkpoints.last(wanted.origin)
            if last is not None and repeats(last, wanted):
                return last
            try:
                demand_growth(last, wanted, proof, _grows)
            except CheckpointConflict:
                _log.critical(
                    "a checkpoint contradicts an earlier one", extra={"reason": CheckpointConflict.type}
                )
                raise
            body = notes.checkpoint_body(wanted.origin, wanted.size, wanted.root)
            # The key's name in the note is the origin, as C2SP tlog-checkpoint recommends.
            line = notes.signature_line(wanted.origin, key.public_key, await self._keyring.sign(key, body))
            signed = SignedCheckpoint(wanted, notes.assemble_note(body, line), key.key_id)
            await checkpoints.replace(signed)
        return signed

    async def last(self, origin: str) -> SignedCheckpoint | None:
        """Returns the last signed checkpoint of an origin, None when there is none."""
        return await self._units.last(demand_origin(origin))


def _grows(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    try:
        verify_consistency(old_size, old_root, new_size, new_root, proof)
    except ProofError:
        return False
    return True
