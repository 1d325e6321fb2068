"""Listening: a session is granted once, its media is served by range and paced."""

from dataclasses import dataclass

from callward_access.app.guard import Guard
from callward_access.app.integrity import broken, rendition_of
from callward_access.app.playback import ListeningRules, MediaStream, Player, Request
from callward_access.app.playing import Remembered
from callward_access.app.recordings import RecordingsApp
from callward_access.app.sessions import Sessions
from callward_access.domain.errors import IntegrityFailure, NotPlayable
from callward_access.domain.model import Act, ListeningSession, Recording, Rendition
from callward_access.domain.ranges import ByteRange, select
from callward_access.ports import Consent, Denied, Granted, MediaReader, Person, Units
from callward_common.clock import Clock
from callward_common.ids import new_id

ORIGINAL = "original"


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
        sessions: Sessions,
        consent: Consent,
        media: MediaReader,
        units: Units,
        player: Player,
        clock: Clock,
        rules: ListeningRules,
        remembered: Remembered,
    ) -> None:
        self._guard = guard
        self._finder = finder
        self._sessions = sessions
        self._consent = consent
        self._media = media
        self._units = units
        self._player = player
        self._clock = clock
        self._rules = rules
        self._remembered = remembered

    async def open(
        self, person: Person, recording_id: str, purpose: str | None
    ) -> tuple[ListeningSession, Recording]:
        """Grant a listening session. The grant is durable, and audit keeps up, before this returns."""
        recording_id = await self._finder.named(person, Act.listen, recording_id)
        code = await self._finder.purpose(person, Act.listen, recording_id, purpose)
        recording = await self._finder.playable(person, recording_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        answer = await self._guard.demand(person, Act.listen, recording, code, use)
        self._remembered.forget_leases()
        await self._demand_original(person, recording, code)
        if recording.summary.media.bytes_per_second <= 0:
            error = NotPlayable("the media's pace is not known")
            raise await self._guard.refused(
                person, Denied(person.actor, Act.listen, error.type, recording_id, code), error
            )
        await self._guard.demand_audit(person, Act.listen, recording_id, code)
        session = self._session(person, recording_id, code)
        grant = Granted(
            event_id=session.grant_event_id,
            actor=person.actor,
            recording_id=recording_id,
            act=Act.listen,
            purpose=code,
            policies=answer.policies,
            decision_id=use.decision_id,
            rendition=session.rendition,
            session_id=session.session_id,
            at_most=recording.summary.media.duration,
        )
        async with self._units.begin(person.tenant_id) as unit:
            await unit.add_session(session)
            unit.record(grant)
        return session, recording

    async def close(self, person: Person, session_id: str) -> None:
        """End a session at once: nothing more is served under it."""
        session = await self._sessions.find(person, session_id)
        async with self._units.begin(person.tenant_id) as unit:
            await unit.close_session(session.session_id)
        self._remembered.close(session_id)

    async def describe(self, person: Person, session_id: str) -> MediaAnswer:
        """Return what a request for the whole media would get, without opening anything: for HEAD."""
        session = await self._sessions.find(person, session_id)
        recording = await self._finder.playable(person, session.recording_id)
        return await self._answer(person, session, recording, None, None)

    async def play(
        self, person: Person, session_id: str, range_header: str | None, if_range: str | None
    ) -> tuple[MediaAnswer, MediaStream]:
        """Serve a range of a session's media. The first bytes are decrypted before this returns."""
        session = await self._sessions.find(person, session_id)
        recording = await self._finder.playable(person, session.recording_id)
        answer = await self._answer(person, session, recording, range_header, if_range)
        self._remembered.forget_leases()
        playing, heard = self._remembered.playing(session_id), self._remembered.heard_by(session)
        request = Request(person, session, recording, answer.selected, playing, heard)
        stream = MediaStream(self._player, self._units, request)
        await stream.start()
        return answer, stream

    def _session(self, person: Person, recording_id: str, purpose: str) -> ListeningSession:
        now = self._clock.now()
        return ListeningSession(
            session_id=new_id(),
            tenant_id=person.tenant_id,
            recording_id=recording_id,
            subject=person.subject,
            issuer=person.issuer,
            purpose=purpose,
            rendition=ORIGINAL,
            grant_event_id=new_id(),
            opened_at=now,
            expires_at=now + self._rules.session_lifetime,
        )

    async def _answer(
        self,
        person: Person,
        session: ListeningSession,
        recording: Recording,
        range_header: str | None,
        if_range: str | None,
    ) -> MediaAnswer:
        rendition = await self._demand_original(person, recording, session.purpose)
        etag = recording.etag(session.rendition)
        selected = select(range_header, if_range, etag, rendition.size)
        return MediaAnswer(selected, etag, recording.summary.media.media_type)

    async def _demand_original(self, person: Person, recording: Recording, purpose: str) -> Rendition:
        """Return what the manifest says of the original. Every recording has one. Raises IntegrityFailure, on record."""
        found = await rendition_of(self._guard, self._media, person, recording, purpose, ORIGINAL)
        if found is None:
            error = IntegrityFailure("the manifest has no such rendition")
            raise await broken(self._guard, person, recording.summary.recording_id, purpose, error)
        return found
