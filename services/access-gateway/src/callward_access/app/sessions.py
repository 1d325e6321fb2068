"""Listening sessions: found by whoever opened them, and by nobody else."""

from callward_access.app.guard import Guard
from callward_access.domain.errors import SessionNotFound
from callward_access.domain.model import Act, ListeningSession
from callward_access.ports import Denied, Person, Units
from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_common.ids import parse_id


class Sessions:
    """Finds listening sessions."""

    def __init__(self, guard: Guard, units: Units, clock: Clock) -> None:
        self._guard = guard
        self._units = units
        self._clock = clock

    async def find(self, person: Person, session_id: str) -> ListeningSession:
        """Return a person's own session. Raises SessionNotFound, on record: another's, an ended one, none at all."""
        session = await self._load(person.tenant_id, session_id)
        owned = session is not None and (session.subject, session.issuer) == (person.subject, person.issuer)
        if session is None or not owned or session.expires_at <= self._clock.now():
            error = SessionNotFound("there is no such listening session for you, or it has ended")
            raise await self._guard.refused(person, Denied(person.actor, Act.listen, error.type), error)
        return session

    async def _load(self, tenant_id: str, session_id: str) -> ListeningSession | None:
        try:
            parse_id(session_id)
        except InvalidRequest:
            return None
        async with self._units.begin(tenant_id) as unit:
            return await unit.session(session_id)
