"""Signs control marks of calls."""

import hashlib

from callward_common.clock import Clock
from callward_common.identity import Actor
from callward_crypto import jws
from callward_keys.app.keyring import SigningKeyring
from callward_keys.app.signing import SignedDocument
from callward_keys.domain.documents import DocumentType
from callward_keys.domain.events import DocumentSigned
from callward_keys.domain.mark_documents import MARK_TYP, MarkStatement, demand_call, mark_payload
from callward_keys.domain.model import SubjectKind
from callward_keys.ports import Units


class MarkSigning:
    """The use case of MarkSigner."""

    def __init__(self, units: Units, keyring: SigningKeyring, clock: Clock) -> None:
        self._units, self._keyring, self._clock = units, keyring, clock

    async def sign(self, actor: Actor, statement: MarkStatement) -> SignedDocument:
        """Signs a mark of a call whose own key is sealed; else CallNotRegistered.

        DocumentSigned is committed when this returns. Whether the mark fits the others is ingest's to judge: a
        signature alone puts nothing on record.
        """
        key = await self._keyring.current(DocumentType.mark)
        async with self._units.begin(statement.tenant_id) as unit:
            demand_call(await unit.keys.find(SubjectKind.call, statement.call_id))
            unsigned = jws.signing_input(MARK_TYP, key.key_id, mark_payload(statement, self._clock.now()))
            document = jws.assemble(unsigned, await self._keyring.sign(key, unsigned))
            signed = SignedDocument(document, hashlib.sha256(document.encode()).digest(), key.key_id)
            unit.record(
                DocumentSigned(
                    actor=actor,
                    document_type=DocumentType.mark.value,
                    tenant_id=statement.tenant_id,
                    subject_id=statement.call_id,
                    sha256=signed.sha256,
                    signing_key_id=key.key_id,
                )
            )
        return signed
