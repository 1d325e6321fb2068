"""Waveform peaks: what a player draws of a recording, read within a listening session and granted each time anew."""

from dataclasses import replace

from callward_access.app.guard import Guard
from callward_access.app.integrity import rendition_of
from callward_access.app.listening import MediaAnswer
from callward_access.app.playback import MediaStream, Player, Request
from callward_access.app.playing import Playing, Remembered
from callward_access.app.recordings import RecordingsApp
from callward_access.app.sessions import Sessions
from callward_access.domain.errors import NoSuchRendition, NotPlayable
from callward_access.domain.model import (
    Act,
    ListeningSession,
    PolicyAnswer,
    Recording,
    Rendition,
    UseDecision,
)
from callward_access.domain.ranges import ByteRange
from callward_access.ports import Consent, Denied, Granted, Keys, MediaReader, Person, Units
from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_common.ids import new_id

PEAKS = "peaks"


class PeaksApp:
    """Serves the peaks of a session's recording: whole, not paced, and no larger than a limit.

    They show where somebody spoke and how loudly: the rules are those of listening, and they have a key of their own.
    """

    def __init__(
        self,
        guard: Guard,
        finder: RecordingsApp,
        sessions: Sessions,
        consent: Consent,
        keys: Keys,
        media: MediaReader,
        units: Units,
        player: Player,
        clock: Clock,
        remembered: Remembered,
        *,
        max_bytes: int,
    ) -> None:
        """`max_bytes`: larger peaks are not served: what is not paced must not be the audio itself."""
        self._guard = guard
        self._finder = finder
        self._sessions = sessions
        self._consent = consent
        self._keys = keys
        self._media = media
        self._units = units
        self._player = player
        self._clock = clock
        self._remembered = remembered
        self._max_bytes = max_bytes

    async def available(self, person: Person, session: ListeningSession, recording: Recording) -> bool:
        """Whether a recording has peaks. Nothing is opened to say so. Raises IntegrityFailure, on record."""
        found = await rendition_of(self._guard, self._media, person, recording, session.purpose, PEAKS)
        return found is not None

    async def describe(self, person: Person, session_id: str) -> MediaAnswer:
        """Return what a request would get, by the same rules and without opening anything: for HEAD."""
        _, recording, rendition, _, _ = await self._permitted(person, session_id)
        return _answer(recording, rendition)

    async def read(self, person: Person, session_id: str) -> tuple[MediaAnswer, MediaStream]:
        """Serve the peaks. The grant is durable before the key is opened; the first bytes are decrypted on return."""
        session, recording, rendition, policies, use = await self._permitted(person, session_id)
        await self._guard.demand_audit(person, Act.listen, session.recording_id, session.purpose)
        grant = Granted(
            event_id=new_id(),
            actor=person.actor,
            recording_id=session.recording_id,
            act=Act.listen,
            purpose=session.purpose,
            policies=policies.policies,
            decision_id=use.decision_id,
            rendition=PEAKS,
            session_id=session.session_id,
        )
        async with self._units.begin(person.tenant_id) as unit:
            unit.record(grant)
        granted = replace(session, rendition=PEAKS, grant_event_id=grant.event_id)
        playing = await self._opened(person, granted, grant)
        answer = _answer(recording, rendition)
        request = Request(person, granted, recording, answer.selected, playing, heard=None)
        stream = MediaStream(self._player, self._units, request)
        await stream.start()
        return answer, stream

    async def _opened(self, person: Person, session: ListeningSession, grant: Granted) -> Playing:
        now = self._clock.now()
        lease = await self._keys.open_rendition(person, session.recording_id, PEAKS, grant)
        return Playing(self._remembered.playing(session.session_id).closing, lease, now)

    async def _permitted(
        self, person: Person, session_id: str
    ) -> tuple[ListeningSession, Recording, Rendition, PolicyAnswer, UseDecision]:
        session = await self._sessions.find(person, session_id)
        recording = await self._finder.playable(person, session.recording_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        answer = await self._guard.demand(person, Act.listen, recording, session.purpose, use)
        rendition = await rendition_of(self._guard, self._media, person, recording, session.purpose, PEAKS)
        if rendition is None:
            raise await self._refused(person, session, NoSuchRendition("the recording has no peaks"))
        if rendition.size > self._max_bytes:
            error = NotPlayable("the peaks are larger than the limit", extra={"limit": self._max_bytes})
            raise await self._refused(person, session, error)
        return session, recording, rendition, answer, use

    async def _refused(
        self, person: Person, session: ListeningSession, error: CallwardError
    ) -> CallwardError:
        denial = Denied(person.actor, Act.listen, error.type, session.recording_id, session.purpose)
        return await self._guard.refused(person, denial, error)


def _answer(recording: Recording, rendition: Rendition) -> MediaAnswer:
    whole = ByteRange(0, rendition.size, rendition.size, partial=False)
    return MediaAnswer(whole, recording.etag(PEAKS), rendition.media_type or DEFAULT_TYPE)


#: The type of bytes of which nothing else is said (RFC 2046 section 4.5.1).
DEFAULT_TYPE = "application/octet-stream"
