"""Listening: a session is granted once, its media is served by range and paced."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callward_access.app.guard import Guard
from callward_access.app.recordings import RecordingsApp
from callward_access.domain.errors import NotPlayable, SessionNotFound
from callward_access.domain.model import Act, Lease, ListeningSession, Recording
from callward_access.domain.pacing import Pace
from callward_access.domain.ranges import ByteRange, select
from callward_access.ports import (
    Consent,
    Denied,
    Granted,
    Keys,
    MediaReader,
    Person,
    Recordings,
    Served,
    Units,
)
from callward_common.clock import Clock
from callward_common.ids import new_id

ORIGINAL = "original"
#: Four segments: what is decrypted, and authorised, at a time.
SLICE = 4 * 65520


@dataclass(frozen=True)
class ListeningRules:
    """The limits of listening."""

    session_lifetime: timedelta
    lead: timedelta
    factor: float
    reauthorise_after: timedelta
    max_sessions: int


@dataclass
class _Playing:
    """What this process knows of a session that is being played: how much has left, and the key's lease."""

    started: float
    sent: int = 0
    lease: Lease | None = field(default=None, repr=False)
    authorised_at: datetime | None = None


@dataclass(frozen=True)
class MediaAnswer:
    """What a media request gets: which bytes, and of what."""

    selected: ByteRange
    etag: str
    media_type: str


class ListeningApp:
    """Grants listening sessions and serves their media."""

    def __init__(
        self,
        guard: Guard,
        finder: RecordingsApp,
        recordings: Recordings,
        consent: Consent,
        keys: Keys,
        media: MediaReader,
        units: Units,
        clock: Clock,
        rules: ListeningRules,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._guard = guard
        self._finder = finder
        self._recordings = recordings
        self._consent = consent
        self._keys = keys
        self._media = media
        self._units = units
        self._clock = clock
        self._rules = rules
        self._sleep = sleep
        self._playing: OrderedDict[str, _Playing] = OrderedDict()

    async def open(
        self, person: Person, recording_id: str, purpose: str | None
    ) -> tuple[ListeningSession, Recording]:
        """Grant a listening session. The grant is durable, and audit keeps up, before this returns."""
        code = await self._finder.purpose(person, Act.listen, recording_id, purpose)
        recording = await self._finder.find(person, Act.listen, recording_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        answer = await self._guard.demand(person, Act.listen, recording, code, use)
        if recording.summary.media.bytes_per_second <= 0:
            error = NotPlayable("the media's pace is not known")
            raise await self._guard.refused(
                person, Denied(person.actor, Act.listen, error.type, recording_id, code), error
            )
        await self._guard.demand_audit(person, Act.listen, recording_id, code)
        now = self._clock.now()
        session_id = new_id()
        grant = Granted(
            event_id=new_id(),
            actor=person.actor,
            recording_id=recording_id,
            act=Act.listen,
            purpose=code,
            policies=answer.policies,
            decision_id=use.decision_id,
            rendition=ORIGINAL,
            session_id=session_id,
            at_most=recording.summary.media.duration,
        )
        session = ListeningSession(
            session_id=session_id,
            tenant_id=person.tenant_id,
            recording_id=recording_id,
            subject=person.subject,
            issuer=person.issuer,
            purpose=code,
            rendition=ORIGINAL,
            grant_event_id=grant.event_id,
            opened_at=now,
            expires_at=now + self._rules.session_lifetime,
        )
        async with self._units.begin(person.tenant_id) as unit:
            await unit.add_session(session)
            unit.record(grant)
        return session, recording

    async def close(self, person: Person, session_id: str) -> None:
        """End a session at once: nothing more is served under it."""
        session = await self._session(person, session_id)
        async with self._units.begin(person.tenant_id) as unit:
            await unit.close_session(session.session_id)
        self._playing.pop(session_id, None)

    async def describe(
        self, person: Person, session_id: str, range_header: str | None, if_range: str | None
    ) -> MediaAnswer:
        """Return what a media request would get, without opening anything: for HEAD."""
        session = await self._session(person, session_id)
        recording = await self._recordings.get(person.tenant_id, session.recording_id)
        return self._answer(session, recording, range_header, if_range)

    async def play(
        self, person: Person, session_id: str, range_header: str | None, if_range: str | None
    ) -> tuple[MediaAnswer, AsyncIterator[bytes]]:
        """Serve a range of a session's media. The first bytes are decrypted before this returns."""
        session = await self._session(person, session_id)
        recording = await self._recordings.get(person.tenant_id, session.recording_id)
        answer = self._answer(session, recording, range_header, if_range)
        body = self._body(person, session, recording, self._state(session_id), answer.selected)
        first = await anext(body, b"")
        return answer, _chain(first, body)

    def _answer(
        self, session: ListeningSession, recording: Recording, range_header: str | None, if_range: str | None
    ) -> MediaAnswer:
        size = self._media.size(recording, session.rendition)
        etag = self._media.etag(recording, session.rendition)
        selected = select(range_header, if_range, etag, size)
        return MediaAnswer(selected, etag, recording.summary.media.media_type)

    async def _session(self, person: Person, session_id: str) -> ListeningSession:
        async with self._units.begin(person.tenant_id) as unit:
            session = await unit.session(session_id)
        owned = session is not None and (session.subject, session.issuer) == (person.subject, person.issuer)
        if session is None or not owned or session.expires_at <= self._clock.now():
            error = SessionNotFound("there is no such listening session for you, or it has ended")
            raise await self._guard.refused(person, Denied(person.actor, Act.listen, error.type), error)
        return session

    def _state(self, session_id: str) -> _Playing:
        playing = self._playing.setdefault(session_id, _Playing(self._clock.monotonic()))
        self._playing.move_to_end(session_id)
        while len(self._playing) > self._rules.max_sessions:
            self._playing.popitem(last=False)
        return playing

    async def _body(
        self,
        person: Person,
        session: ListeningSession,
        recording: Recording,
        playing: _Playing,
        selected: ByteRange,
    ) -> AsyncIterator[bytes]:
        pace = Pace(recording.summary.media.bytes_per_second, self._rules.lead, self._rules.factor)
        position = selected.start
        try:
            while position < selected.stop:
                lease = await self._authorised(person, session, recording, playing)
                stop = min(selected.stop, position + SLICE)
                async for piece in self._media.read(
                    person.tenant_id, recording, session.rendition, lease, position, stop
                ):
                    await self._keep_pace(pace, playing, len(piece))
                    position += len(piece)
                    yield piece
        finally:
            served = Served(
                person.actor,
                session.recording_id,
                session.session_id,
                selected.start,
                position - selected.start,
            )
            async with self._units.begin(person.tenant_id) as unit:
                unit.record(served)

    async def _keep_pace(self, pace: Pace, playing: _Playing, count: int) -> None:
        playing.sent += count
        wait = pace.wait(playing.sent, self._clock.monotonic() - playing.started)
        if wait > 0:
            await self._sleep(wait)

    async def _authorised(
        self, person: Person, session: ListeningSession, recording: Recording, playing: _Playing
    ) -> Lease:
        """Return a lease under an authorisation no older than the rules allow; renews both, or raises."""
        now = self._clock.now()
        if (
            playing.lease is not None
            and playing.authorised_at is not None
            and now < playing.lease.expires_at
            and now - playing.authorised_at < self._rules.reauthorise_after
        ):
            return playing.lease
        await self._still_granted(person, session, recording)
        grant = Granted(
            session.grant_event_id,
            person.actor,
            session.recording_id,
            Act.listen,
            session.purpose,
            (),
            rendition=session.rendition,
            session_id=session.session_id,
        )
        playing.lease = await self._keys.open_rendition(
            person, session.recording_id, session.rendition, grant
        )
        playing.authorised_at = now
        return playing.lease

    async def _still_granted(self, person: Person, session: ListeningSession, recording: Recording) -> None:
        await self._session(person, session.session_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        await self._guard.demand(person, Act.listen, recording, session.purpose, use)
        await self._guard.demand_audit(person, Act.listen, session.recording_id, session.purpose)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
