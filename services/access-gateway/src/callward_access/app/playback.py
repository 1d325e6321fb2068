"""Playing: the media of a session, decrypted, authorised and paced piece by piece."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from callward_access.app.guard import Guard
from callward_access.app.integrity import broken
from callward_access.app.playing import Heard, Playing
from callward_access.app.recordings import RecordingsApp
from callward_access.app.sessions import Sessions
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Act, Lease, ListeningSession, Recording
from callward_access.domain.pacing import Pace
from callward_access.domain.ranges import ByteRange
from callward_access.ports import Consent, Granted, Keys, MediaReader, Person, Served, Units
from callward_common.clock import Clock
from callward_common.errors import CallwardError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListeningRules:
    """The limits of listening."""

    session_lifetime: timedelta
    lead: timedelta
    factor: float
    reauthorise_after: timedelta


@dataclass(frozen=True)
class Request:
    """One media request: who asks, under which session, for which bytes of what. `heard` None: not paced."""

    person: Person
    session: ListeningSession
    recording: Recording
    selected: ByteRange
    playing: Playing
    heard: Heard | None


class Player:
    """Gives the bytes of media requests, each piece under an authorisation no older than the rules allow."""

    def __init__(
        self,
        guard: Guard,
        finder: RecordingsApp,
        sessions: Sessions,
        consent: Consent,
        keys: Keys,
        media: MediaReader,
        clock: Clock,
        rules: ListeningRules,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._guard = guard
        self._finder = finder
        self._sessions = sessions
        self._consent = consent
        self._keys = keys
        self._media = media
        self._clock = clock
        self._rules = rules
        self._sleep = sleep

    async def pieces(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the bytes asked for. What is not what was sealed is put on record and raised: IntegrityFailure."""
        try:
            if not request.selected.length:
                # No sealed recording is empty and no range is: only a manifest that was changed says so.
                raise IntegrityFailure("the manifest states no media")
            async with aclosing(self._pieces(request)) as pieces:
                async for piece in pieces:
                    yield piece
        except IntegrityFailure as error:
            person, session = request.person, request.session
            raise await broken(self._guard, person, session.recording_id, session.purpose, error) from error

    async def _pieces(self, request: Request) -> AsyncGenerator[bytes, None]:
        selected, left = request.selected, request.selected.length
        tenant, name = request.person.tenant_id, request.session.rendition
        reading = self._media.open(tenant, request.recording, name, selected.start, selected.stop)
        try:
            while left:
                piece = await reading.next(await self._authorised(request))
                if not piece:
                    raise IntegrityFailure("the media ends before its recorded size")
                left -= len(piece)
                await self._keep_pace(request, len(piece))
                # A wait, or a client that takes its time, may have outlived the authorisation.
                await self._authorised(request)
                yield piece
        finally:
            await reading.close()

    async def _keep_pace(self, request: Request, count: int) -> None:
        heard, rate = request.heard, request.recording.summary.media.bytes_per_second
        if heard is None:
            return
        pace = Pace(rate, self._rules.lead, self._rules.factor)
        now = self._clock.monotonic()
        heard.ahead = max(0.0, heard.ahead - pace.played(now - heard.since)) + count
        heard.since = now
        wait = pace.wait(heard.ahead, 0)
        if wait > 0:
            await self._sleep(wait)

    async def _authorised(self, request: Request) -> Lease:
        """Return a lease under an authorisation no older than the rules allow; renews both, or raises."""
        now, playing = self._clock.now(), request.playing
        if (
            not playing.closing.closed
            and playing.lease is not None
            and playing.authorised_at is not None
            and now < playing.lease.expires_at
            and now - playing.authorised_at < self._rules.reauthorise_after
        ):
            return playing.lease
        await self._still_granted(request)
        person, session = request.person, request.session
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

    async def _still_granted(self, request: Request) -> None:
        """Ask everything again: the session, the recording's state, consent, policies and audit."""
        person, session = request.person, request.session
        await self._sessions.find(person, session.session_id)
        recording = await self._finder.playable(person, session.recording_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        await self._guard.demand(person, Act.listen, recording, session.purpose, use)
        await self._guard.demand_audit(person, Act.listen, session.recording_id, session.purpose)


class MediaStream:
    """The body of one media request. Whoever iterates it calls `finish`, however the iteration ended."""

    def __init__(self, player: Player, units: Units, request: Request) -> None:
        self._units = units
        self._request = request
        self._pieces = player.pieces(request)
        self._first = b""
        self._sent = 0
        self._finished = False

    async def start(self) -> None:
        """Decrypt the first piece, so that a refusal is an answer of its own and not a body that breaks off."""
        try:
            self._first = await anext(self._pieces, b"")
        except BaseException:
            await self.finish()
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces; one that was begun counts as sent."""
        piece = self._first
        while piece:
            self._sent += len(piece)
            yield piece
            piece = await anext(self._pieces, b"")

    async def finish(self) -> None:
        """Put on record what was sent, once. The grant has stated the most already: a failure here only narrows less."""
        if self._finished:
            return
        self._finished = True
        await self._pieces.aclose()
        if not self._sent:
            return
        session = self._request.session
        served = Served(
            self._request.person.actor,
            session.recording_id,
            session.session_id,
            session.rendition,
            self._request.selected.start,
            self._sent,
        )
        try:
            async with self._units.begin(self._request.person.tenant_id) as unit:
                unit.record(served)
        except CallwardError as error:
            _log.warning("what was served is not on record", extra={"error_type": error.type})
