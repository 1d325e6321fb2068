"""What this process remembers of what is being played: leases by session, and the pace of each person."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from callward_access.domain.model import Lease, ListeningSession
from callward_common.clock import Clock

K = TypeVar("K")
V = TypeVar("V")


@dataclass
class Heard:
    """How many bytes of one recording a person has been served ahead of the pace, as of `since` (monotonic).

    A person's for all their sessions: with a pace for each session, many of them would be a download. What was not
    used of it is gone: nobody saves up for one by waiting.
    """

    since: float
    ahead: float = 0.0


@dataclass
class Closing:
    """Whether a session was closed here: whatever is played under it looks."""

    closed: bool = False


@dataclass
class Playing:
    """One rendition that is being played under a session: its key's lease, and since when it may be used."""

    closing: Closing = field(default_factory=Closing)
    lease: Lease | None = field(default=None, repr=False)
    authorised_at: datetime | None = None


class Remembered:
    """Remembers the sessions and paces used last, and drops keys whose lease is over."""

    def __init__(self, clock: Clock, most: int) -> None:
        """`most`: of how many sessions and of how many paces at once."""
        self._clock = clock
        self._most = most
        self._sessions: OrderedDict[str, Playing] = OrderedDict()
        self._heard: OrderedDict[tuple[str, str, str, str], Heard] = OrderedDict()

    def __len__(self) -> int:
        """How many sessions are remembered."""
        return len(self._sessions)

    def playing(self, session_id: str) -> Playing:
        """Return what is played of a session's media."""
        return self._kept(self._sessions, session_id, Playing())

    def heard_by(self, session: ListeningSession) -> Heard:
        """Return the pace of the session's person and recording."""
        whose = (session.tenant_id, session.issuer, session.subject, session.recording_id)
        return self._kept(self._heard, whose, Heard(self._clock.monotonic()))

    def close(self, session_id: str) -> None:
        """End what is played under a session in this process."""
        playing = self._sessions.pop(session_id, None)
        if playing is not None:
            playing.closing.closed = True

    def forget_leases(self) -> None:
        """Drop the keys whose lease is over: a session that nobody plays any more must not keep one in memory."""
        now = self._clock.now()
        for playing in self._sessions.values():
            if playing.lease is not None and playing.lease.expires_at <= now:
                playing.lease = None

    def _kept(self, known: OrderedDict[K, V], key: K, fresh: V) -> V:
        found = known.setdefault(key, fresh)
        known.move_to_end(key)
        while len(known) > self._most:
            known.popitem(last=False)
        return found
