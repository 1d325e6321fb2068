"""Who may read the record: a machine with the scope, or an auditor with a second factor."""

from collections import deque

from starlette.requests import Request

from callward_audit.domain.errors import RoleMissing
from callward_audit.ports import Denials
from callward_common.clock import Clock
from callward_common.errors import CallwardError, Unauthenticated
from callward_common.http.requests import bearer
from callward_common.identity import ANONYMOUS, ActorKind
from callward_common.tokens import Principal, TokenVerifier

SCOPE = "events:read"
ROLES = frozenset({"auditor", "siem-reader"})


class Readers:
    """Identifies readers. A refusal of somebody known is put on record."""

    def __init__(
        self,
        verifier: TokenVerifier,
        denials: Denials,
        clock: Clock,
        *,
        audience: str,
        strangers_per_minute: int,
    ) -> None:
        self._verifier = verifier
        self._denials = denials
        self._clock = clock
        self._audience = audience
        self._strangers_per_minute = strangers_per_minute
        self._strangers: deque[float] = deque()

    async def identify(self, request: Request, action: str) -> Principal:
        """Return who asks. Raises the token errors, ScopeMissing, MfaRequired or RoleMissing."""
        try:
            principal = await self._verifier.verify(bearer(request), audiences=[self._audience], kind=None)
        except Unauthenticated as error:
            await self._stranger(action, error)
            raise
        try:
            _demand(principal)
        except CallwardError as error:
            await self._denials.denied(principal.tenant_id, principal.actor, action, error.type)
            raise
        return principal

    async def _stranger(self, action: str, error: CallwardError) -> None:
        """Put the refusal of somebody unidentified on record, at most so many a minute: the record is for years."""
        now = self._clock.monotonic()
        while self._strangers and now - self._strangers[0] >= 60:
            self._strangers.popleft()
        if len(self._strangers) < self._strangers_per_minute:
            self._strangers.append(now)
            await self._denials.denied("", ANONYMOUS, action, error.type)


def _demand(principal: Principal) -> None:
    if principal.actor.kind is ActorKind.machine:
        principal.demand_scope(SCOPE)
        return
    principal.demand_mfa()
    if not principal.roles & ROLES:
        raise RoleMissing("reading the audit log needs the role auditor or siem-reader")
