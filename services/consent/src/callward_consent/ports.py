"""What consent needs of the world, in its own words."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from callward_common.identity import Actor
from callward_consent.domain.model import Call, Decision, Evidence, LawTable, RecordingPolicies, Revocation


@dataclass(frozen=True)
class Decided:
    """A decision was taken."""

    actor: Actor
    decision: Decision


@dataclass(frozen=True)
class EvidenceRecorded:
    """Evidence was taken down."""

    actor: Actor
    call_id: str
    evidence: Evidence


@dataclass(frozen=True)
class Revoked:
    """A party revoked its consent."""

    actor: Actor
    call_id: str
    revocation: Revocation


DomainEvent = Decided | EvidenceRecorded | Revoked


@dataclass(frozen=True)
class Case:
    """Everything on record about one call."""

    call: Call
    evidence: Sequence[Evidence]
    revocations: Sequence[Revocation]


class Unit(Protocol):
    """One unit of work: what is added becomes durable together, events included, or not at all."""

    async def case(self, call_id: str) -> Case | None:
        """Return what is on record about a call of this tenant, or None. Serialises units on the same call."""
        ...

    async def add_call(self, call: Call) -> bool:
        """Take down a call; False when the id is taken."""
        ...

    async def add_evidence(self, call_id: str, evidence: Evidence, idempotency_key: str) -> Evidence:
        """Take down evidence; where the key was used before, return what was taken down then."""
        ...

    async def add_revocation(self, call_id: str, revocation: Revocation, idempotency_key: str) -> Revocation:
        """Take down a revocation; where the key was used before, return what was taken down then."""
        ...

    async def record(self, event: DomainEvent) -> None:
        """Put an event into the outbox; a decision is kept in its table as well."""
        ...


class Units(Protocol):
    """Begins units of work."""

    def begin(self, tenant_id: str) -> AbstractAsyncContextManager[Unit]:
        """Begin a unit for one tenant; it commits when the block ends without an exception."""
        ...


class Policies(Protocol):
    """The recording policies of tenants."""

    async def of_tenant(self, tenant_id: str) -> RecordingPolicies:
        """Return the policies of a tenant; none, and so no recording, for one that is not known or not active."""
        ...


class Law(Protocol):
    """The law's table in force."""

    def table(self) -> LawTable:
        """Return the table."""
        ...
