"""Who may read the record: a machine with the scope, or an auditor with a second factor."""

from starlette.requests import Request

from callward_audit.domain.errors import RoleMissing
from callward_audit.ports import Denials
from callward_common.errors import CallwardError
from callward_common.http.requests import bearer
from callward_common.identity import ActorKind
from callward_common.tokens import Principal, TokenVerifier

SCOPE = "events:read"
ROLES = frozenset({"auditor", "siem-reader"})


class Readers:
    """Identifies readers. A refusal of somebody known is put on record."""

    def __init__(self, verifier: TokenVerifier, denials: Denials, *, audience: str) -> None:
        self._verifier = verifier
        self._denials = denials
        self._audience = audience

    async def identify(self, request: Request, action: str) -> Principal:
        """Return who asks. Raises the token errors, ScopeMissing, MfaRequired or RoleMissing."""
        principal = await self._verifier.verify(bearer(request), audiences=[self._audience], kind=None)
        try:
            _demand(principal)
        except CallwardError as error:
            await self._denials.denied(principal.tenant_id, principal.actor, action, error.type)
            raise
        return principal


def _demand(principal: Principal) -> None:
    if principal.actor.kind is ActorKind.machine:
        principal.demand_scope(SCOPE)
        return
    principal.demand_mfa()
    if not principal.roles & ROLES:
        raise RoleMissing("reading the audit log needs the role auditor or siem-reader")
