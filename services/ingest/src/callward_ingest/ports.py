"""What ingest needs of its neighbours and its database, written from its own needs.

Every method may raise CallwardError; `Unavailable` means that nothing is known of the outcome.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol

from callward_ingest.domain.calls import AgeGroup, Call, Evidence, IdentifierKind, NewCall, Pseudonym
from callward_ingest.domain.decisions import Decision, Plan
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.idempotency import Claim, Claimant, StoredAnswer
from callward_ingest.domain.keys import DataKey, PublicKey, Receipt, ReceiptStatement, Subject
from callward_ingest.domain.recordings import Attempt, Manifest, Page, Recording, RecordingFilter, Sealing

ManifestEncoder = Callable[[Manifest], bytes]
"""Gives the manifest's bytes: they are hashed, stored verbatim and never made again."""


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

    async def seal(self, subject: Subject, manifest_sha256: bytes) -> datetime:
        """Registers the manifest's hash and closes the key to ingest for good; returns when."""
        ...

    async def abandon(self, subject: Subject, reason: str) -> None:
        """Gives an open key up: it opens for nobody from here on."""
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


class CallRows(Protocol):
    """The calls of one tenant."""

    async def add(self, call: Call, pseudonyms: Sequence[Pseudonym]) -> None:
        """Puts a new call on record with the pseudonyms it is found by."""
        ...

    async def find(self, call_id: str) -> Call | None:
        """Returns a call, or None where the tenant has none of that id."""
        ...

    async def end(self, call_id: str, ended_at: datetime) -> tuple[datetime, bool]:
        """Sets when the call ended unless it is set already; returns the moment on record, and whether it is new."""
        ...


class AttemptRows(Protocol):
    """The attempts of one tenant to receive a recording. A row leaves `receiving` once."""

    async def start(self, attempt: Attempt) -> None:
        """Puts an attempt on record as `receiving`."""
        ...

    async def seal(self, sealing: Sealing) -> bool:
        """Moves an attempt from `receiving` to its end with all its facts; False when it is no longer receiving."""
        ...

    async def abandon(self, recording_id: str) -> bool:
        """Moves an attempt from `receiving` to `abandoned`; False when it is no longer receiving."""
        ...

    async def lost(self, now: datetime) -> Sequence[Recording]:
        """Returns a few attempts that are receiving while nobody holds their key any more: their process is gone."""
        ...


class RecordingRows(Protocol):
    """The recordings of one tenant, to read."""

    async def find(self, recording_id: str) -> tuple[Recording, bytes | None] | None:
        """Returns a recording with its manifest's exact bytes (None while there is none)."""
        ...

    async def page(self, wanted: RecordingFilter) -> Page:
        """Returns a page of recordings, newest first."""
        ...


class IdempotencyRows(Protocol):
    """The idempotency keys of one tenant."""

    async def claim(self, key: str, claimant: Claimant, now: datetime) -> Claim:
        """Takes a free key, or one whose claim has run out, for the claimant; else tells who has it."""
        ...

    async def renew(self, key: str, claimant: Claimant) -> bool:
        """Prolongs the claimant's hold; False when somebody else took the key over."""
        ...

    async def complete(self, key: str, owner: str, answer: StoredAnswer) -> bool:
        """Stores the answer of the key's owner; False when somebody else took the key over."""
        ...

    async def release(self, key: str, owner: str) -> None:
        """Frees the key that `owner` holds without an answer. Nothing happens when it holds none."""
        ...


class Unit(Protocol):
    """One transaction of one tenant. Leaving it with an exception undoes everything in it."""

    @property
    def calls(self) -> CallRows:
        """The tenant's calls."""
        ...

    @property
    def attempts(self) -> AttemptRows:
        """The tenant's attempts to receive recordings."""
        ...

    @property
    def recordings(self) -> RecordingRows:
        """The tenant's recordings."""
        ...

    @property
    def idempotency(self) -> IdempotencyRows:
        """The tenant's idempotency keys."""
        ...

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        """Puts an event on record with this transaction, under the id given or a new one."""
        ...


class Units(Protocol):
    """Opens transactions."""

    def begin(self, tenant: str) -> AbstractAsyncContextManager[Unit]:
        """Opens one transaction that sees one tenant's rows alone."""
        ...
