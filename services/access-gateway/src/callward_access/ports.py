"""What the gateway needs of the world, in its own words."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from callward_access.domain.model import (
    Act,
    Lease,
    ListeningSession,
    Page,
    PolicyAnswer,
    Recording,
    Rendition,
    UseDecision,
)
from callward_common.identity import Actor
from callward_common.tenancy.model import TenantRecord


@dataclass(frozen=True)
class Person:
    """Who asks, as the token says. `token` is passed on to key-management, which checks it itself."""

    tenant_id: str
    subject: str
    issuer: str
    roles: frozenset[str]
    mfa: bool
    actor: Actor
    token: str = field(repr=False)


@dataclass(frozen=True)
class PolicyObject:
    """What an act is on, for the policies: its kind, its id and its attributes."""

    kind: str
    id: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Listed:
    """Recordings were listed."""

    actor: Actor
    count: int
    policies: Sequence[str]


@dataclass(frozen=True)
class Granted:
    """An act on a recording was granted."""

    event_id: str
    actor: Actor
    recording_id: str
    act: Act
    purpose: str
    policies: Sequence[str]
    decision_id: str = ""
    rendition: str = ""
    session_id: str = ""
    at_most: timedelta | None = None


@dataclass(frozen=True)
class Denied:
    """An act was refused."""

    actor: Actor
    act: str
    reason: str
    recording_id: str = ""
    purpose: str = ""
    policies: Sequence[str] = ()


@dataclass(frozen=True)
class Served:
    """A media request ended: what was sent."""

    actor: Actor
    recording_id: str
    session_id: str
    rendition: str
    first_byte: int
    byte_count: int


@dataclass(frozen=True)
class Registered:
    """A tenant was created or changed."""

    actor: Actor
    tenant: TenantRecord


DomainEvent = Listed | Granted | Denied | Served


class Policies(Protocol):
    """The policy engine."""

    def decide(self, person: Person, act: Act, target: PolicyObject, purpose: str | None) -> PolicyAnswer:
        """Say whether the policies permit the act. An engine that fails says no."""
        ...


class Recordings(Protocol):
    """Reads recordings of one tenant."""

    async def list(self, tenant_id: str, *, page_size: int, page_token: str, queue: str) -> Page:
        """Return a page of sealed recordings, newest first."""
        ...

    async def get(self, tenant_id: str, recording_id: str) -> Recording:
        """Return one recording. Raises RecordingNotFound."""
        ...

    async def media(self, tenant_id: str, recording_id: str) -> Recording:
        """Return one recording as far as it is played. Raises RecordingNotFound."""
        ...


class Consent(Protocol):
    """Asks whether a recording may be used."""

    async def playback(self, tenant_id: str, call_id: str) -> UseDecision:
        """Return the decision on using the recordings of a call."""
        ...


class Keys(Protocol):
    """Opens subkeys as leases."""

    async def open_rendition(
        self, person: Person, recording_id: str, rendition: str, grant: Granted
    ) -> Lease:
        """Open one rendition's key of a recording under a grant."""
        ...

    async def open_call_metadata(self, person: Person, call_id: str, grant: Granted) -> Lease:
        """Open the metadata key of a call under a grant."""
        ...

    async def open_revision(self, person: Person, revision_id: str, grant: Granted) -> Lease:
        """Open the key of a revision of a call's metadata under a grant."""
        ...


class Reading(Protocol):
    """A range of a rendition that is being read. Whoever began it closes it."""

    async def next(self, lease: Lease) -> bytes:
        """Return the next piece, at most a segment; empty at the end. Raises IntegrityFailure before any wrong byte."""
        ...

    async def close(self) -> None:
        """Stop reading, and drop what was read. Closing twice is fine."""
        ...


class MediaReader(Protocol):
    """Decrypts ranges of sealed media."""

    def rendition(self, tenant_id: str, recording: Recording, name: str) -> Rendition | None:
        """Return what the manifest says of a rendition; None where there is none. Raises IntegrityFailure."""
        ...

    def open(self, tenant_id: str, recording: Recording, name: str, start: int, stop: int) -> Reading:
        """Begin to read the plaintext of a rendition from `start` to before `stop`. Raises IntegrityFailure."""
        ...

    def open_document(self, tenant_id: str, subject_id: str, ciphertext: bytes, lease: Lease) -> bytes:
        """Decrypt the sealed metadata of a call, or of a revision of it. Raises IntegrityFailure."""
        ...


class Freshness(Protocol):
    """How far audit is behind this service."""

    async def behind(self) -> timedelta | None:
        """Return the age of the oldest event not yet on record; None when that is not known."""
        ...


class Unit(Protocol):
    """One unit of work: what is added becomes durable together, events included, or not at all."""

    async def add_session(self, session: ListeningSession) -> None:
        """Keep a listening session."""
        ...

    async def session(self, session_id: str) -> ListeningSession | None:
        """Return a listening session that was not closed."""
        ...

    async def close_session(self, session_id: str) -> None:
        """Close a listening session; a closed one is fine."""
        ...

    def record(self, event: DomainEvent) -> None:
        """Put an event into the outbox."""
        ...


class Units(Protocol):
    """Begins units of work."""

    def begin(self, tenant_id: str) -> AbstractAsyncContextManager[Unit]:
        """Begin a unit for one tenant, or nobody's where it is empty; it commits when the block ends without an exception."""
        ...


class Register(Protocol):
    """The register of tenants."""

    async def put(self, actor: Actor, tenant: TenantRecord) -> TenantRecord:
        """Create or replace a tenant and publish it. Raises AudienceTaken. An unchanged tenant changes nothing."""
        ...

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Return a tenant as registered."""
        ...
