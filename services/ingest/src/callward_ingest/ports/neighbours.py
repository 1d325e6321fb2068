"""What ingest needs of its neighbours.

Every method may raise CallwardError; `Unavailable` means that nothing is known of the outcome.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from callward_ingest.domain.calls import AgeGroup, Evidence, IdentifierKind, NewCall
from callward_ingest.domain.decisions import Decision, Plan
from callward_ingest.domain.keys import DataKey, PublicKey, Receipt, ReceiptStatement, Subject
from callward_ingest.domain.marks import MarkStatement, SignedMark


class Consent(Protocol):
    """The consent service: it alone decides."""

    async def register_call(self, tenant: str, call_id: str, call: NewCall) -> Decision:
        """Takes a call down with its parties and decides. An unlisted jurisdiction is "unknown-jurisdiction"."""
        ...

    async def record_evidence(
        self, tenant: str, call_id: str, evidence: Evidence, idempotency_key: str
    ) -> tuple[str, Decision]:
        """Takes evidence down; returns its id and the new decision."""
        ...

    async def revoke(
        self, tenant: str, call_id: str, party_id: str, revoked_at: datetime, idempotency_key: str
    ) -> Decision:
        """Takes down that a party revoked; returns the new decision."""
        ...

    async def may_record(self, tenant: str, call_id: str) -> Decision:
        """Decides anew, from the evidence on record, whether the call may be recorded and kept."""
        ...


class Planner(Protocol):
    """The retention service, asked before a key is issued."""

    async def plan(self, tenant: str, call_id: str, clock_start: datetime, age_group: AgeGroup) -> Plan:
        """Returns how long what belongs to the call is kept."""
        ...


class Keys(Protocol):
    """Issues data keys and closes them."""

    async def issue(self, subject: Subject, plan: Plan) -> DataKey:
        """Makes the key of a subject that has none, grouped by the plan; returns the one subkey it needs."""
        ...

    async def reissue(self, subject: Subject) -> DataKey:
        """Gives the subkeys of a key again while it is open. NotFound where the subject has no key."""
        ...

    async def seal(self, subject: Subject, manifest_sha256: bytes) -> datetime:
        """Registers the manifest's hash and closes the key to ingest for good; returns when."""
        ...

    async def abandon(self, subject: Subject, reason: str) -> None:
        """Gives an open key up: it opens for nobody from here on. One that was never issued is no error."""
        ...


class Pseudonyms(Protocol):
    """Keyed pseudonyms, and the key under which request bodies are compared."""

    async def pseudonymise(
        self, tenant: str, quarter: str, kind: IdentifierKind, values: Sequence[str]
    ) -> Sequence[bytes]:
        """Returns a pseudonym (32 bytes) for each value, in order."""
        ...

    async def fingerprint_key(self, tenant: str, day: date) -> bytes:
        """Returns the tenant's fingerprint key (32 bytes) of a day."""
        ...


class Signer(Protocol):
    """Signs receipts: the signing side builds the bytes."""

    async def sign_receipt(self, tenant: str, statement: ReceiptStatement) -> Receipt:
        """Returns the signed receipt of a recording whose key is sealed."""
        ...


class SigningKeys(Protocol):
    """The public halves of the signing keys."""

    async def list_keys(self) -> Sequence[PublicKey]:
        """Returns every public signing key with its history, newest first."""
        ...


class MarkSigner(Protocol):
    """Signs control marks: the signing side builds the bytes."""

    async def sign_mark(self, tenant: str, statement: MarkStatement) -> SignedMark:
        """Returns the signed mark of a call that is on record."""
        ...
