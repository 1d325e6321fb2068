"""The gateway's use cases over fakes: time moves only when somebody waits, events count once they are committed."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from callward_access.app.guard import Guard
from callward_access.app.playback import ListeningRules
from callward_access.app.recordings import RecordingsApp
from callward_access.cedar import CedarEngine
from callward_access.domain.errors import RecordingNotFound
from callward_access.domain.model import Lease, ListeningSession, Page, Recording, UseDecision
from callward_access.ports import Denied, DomainEvent, Granted, Person
from callward_access.sealed_media import SealedMedia
from callward_access.wiring_listening import build_listening
from callward_common.errors import CallwardError
from callward_common.identity import Actor, ActorKind
from tests.support.clock import ManualClock
from tests.support.tenants import PEOPLE_ISSUER
from tests.unit.access.sealing import RENDITION, TENANT, MemoryObjects, Sealed, key_of

E = TypeVar("E", bound=DomainEvent)

RULES = ListeningRules(
    session_lifetime=timedelta(hours=1),
    lead=timedelta(seconds=30),
    factor=2.0,
    reauthorise_after=timedelta(seconds=30),
)
#: The largest peaks that are served here.
MAX_PEAKS = 100_000


def person(
    subject: str = "sam",
    *,
    tenant: str = TENANT,
    roles: tuple[str, ...] = ("supervisor",),
    mfa: bool = True,
    issuer: str = PEOPLE_ISSUER,
) -> Person:
    actor = Actor(ActorKind.person, subject, issuer)
    return Person(tenant, subject, issuer, frozenset(roles), mfa, actor, "a.b.c")


class FakeUnit:
    def __init__(self, units: "FakeUnits", tenant: str) -> None:
        self._units, self._tenant = units, tenant
        self.events: list[tuple[str, DomainEvent]] = []
        self.sessions: dict[tuple[str, str], ListeningSession | None] = {}

    async def add_session(self, session: ListeningSession) -> None:
        self.sessions[self._tenant, session.session_id] = session

    async def session(self, session_id: str) -> ListeningSession | None:
        return self._units.sessions.get((self._tenant, session_id))

    async def close_session(self, session_id: str) -> None:
        self.sessions[self._tenant, session_id] = None

    def record(self, event: DomainEvent) -> None:
        self.events.append((self._tenant, event))


class FakeUnits:
    """Units whose events and sessions count once the block ended well. `failing` is raised instead of a commit."""

    def __init__(self) -> None:
        self.committed: list[tuple[str, DomainEvent]] = []
        self.sessions: dict[tuple[str, str], ListeningSession | None] = {}
        self.failing: CallwardError | None = None

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator[FakeUnit]:
        unit = FakeUnit(self, tenant_id)
        yield unit
        if self.failing is not None:
            raise self.failing
        self.committed += unit.events
        self.sessions |= unit.sessions

    def of(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.committed if isinstance(event, kind)]


class FakeFreshness:
    def __init__(self) -> None:
        self.answer: timedelta | None = timedelta(0)

    async def behind(self) -> timedelta | None:
        return self.answer


class FakeRecordings:
    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Recording] = {}

    async def list(self, tenant_id: str, *, page_size: int, page_token: str, queue: str) -> Page:
        return Page([each.summary for (tenant, _), each in self.known.items() if tenant == tenant_id], "")

    async def get(self, tenant_id: str, recording_id: str) -> Recording:
        if (tenant_id, recording_id) not in self.known:
            raise RecordingNotFound("there is no recording with this id")
        return self.known[tenant_id, recording_id]

    async def media(self, tenant_id: str, recording_id: str) -> Recording:
        return await self.get(tenant_id, recording_id)


class FakeConsent:
    def __init__(self) -> None:
        self.outcome = "permit"
        self.asked = 0

    async def playback(self, tenant_id: str, call_id: str) -> UseDecision:
        self.asked += 1
        return UseDecision(f"decision-{self.asked}", self.outcome == "permit", self.outcome)


@dataclass
class FakeKeys:
    """Key-management: knows the manifest hashes of the sealing. `opened_at` has the time of each opening.

    `opened` has the rendition of each, and the grant that it was opened under.
    """

    clock: ManualClock
    units: FakeUnits
    registered: dict[str, bytes] = field(default_factory=dict)
    lease_for: timedelta = timedelta(seconds=60)
    failing: CallwardError | None = None
    opened_at: list[float] = field(default_factory=list)
    granted_before: list[bool] = field(default_factory=list)
    opened: list[tuple[str, str]] = field(default_factory=list)

    async def open_rendition(
        self, person: Person, recording_id: str, rendition: str, grant: Granted
    ) -> Lease:
        return self._open(recording_id, grant, rendition)

    async def open_call_metadata(self, person: Person, call_id: str, grant: Granted) -> Lease:
        return self._open(call_id, grant, RENDITION)

    async def open_revision(self, person: Person, revision_id: str, grant: Granted) -> Lease:
        return self._open(revision_id, grant, RENDITION)

    def _open(self, subject: str, grant: Granted, rendition: str) -> Lease:
        if self.failing is not None:
            raise self.failing
        self.opened_at.append(self.clock.monotonic())
        on_record = [event.event_id for event in self.units.of(Granted)]
        self.granted_before.append(grant.event_id in on_record)
        self.opened.append((rendition, grant.event_id))
        return Lease(key_of(rendition), self.registered[subject], self.clock.now() + self.lease_for)


class Scene:
    """Everything wired, with one sealed recording at a time put in by `add`."""

    def __init__(self, rules: ListeningRules = RULES, *, max_sessions: int = 100) -> None:
        self.clock, self.units, self.freshness = ManualClock(), FakeUnits(), FakeFreshness()
        self.recordings, self.consent, self.objects = FakeRecordings(), FakeConsent(), MemoryObjects()
        self.keys = FakeKeys(self.clock, self.units)
        self.waits: list[float] = []
        self.guard = Guard(
            CedarEngine.shipped(),
            self.freshness,
            self.units,
            self.clock,
            max_audit_lag=timedelta(seconds=30),
            strangers_per_minute=3,
        )
        media = SealedMedia(self.objects, known_parts=1000, read_ahead=262_144)
        self.app = RecordingsApp(self.guard, self.recordings, self.consent, self.keys, media, self.units)
        built = build_listening(
            self.guard,
            self.app,
            self.consent,
            self.keys,
            media,
            self.units,
            self.clock,
            rules,
            max_sessions=max_sessions,
            max_peaks_bytes=MAX_PEAKS,
            sleep=self.sleep,
        )
        self.listening, self.peaks, self.remembered = built.media, built.peaks, built.remembered

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def add(self, sealed: Sealed) -> Recording:
        recording = sealed.recording
        self.recordings.known[TENANT, recording.summary.recording_id] = recording
        self.keys.registered[recording.summary.recording_id] = sealed.registered
        metadata = hashlib.sha256(recording.call_metadata).digest()
        self.keys.registered[recording.summary.call_id] = metadata
        return recording

    def change(self, recording: Recording, *, state: str) -> None:
        changed = replace(recording, summary=replace(recording.summary, state=state))
        self.recordings.known[TENANT, recording.summary.recording_id] = changed

    def denials(self) -> list[Denied]:
        return self.units.of(Denied)


UNKNOWN_ID = "01938c3a-7b1e-7c55-9d0e-5a1f6f7b8c9d"
