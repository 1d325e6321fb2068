"""Who may pass the door. Every refusal is put on record here, and nowhere else."""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from callward_common.errors import CallwardError, Category
from callward_common.http.requests import bearer
from callward_common.identity import ANONYMOUS
from callward_common.tokens import Principal, TokenVerifier
from callward_ingest.app.denials import Denials

_log = logging.getLogger(__name__)
_REFUSALS = frozenset({Category.unauthenticated, Category.forbidden})
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Guard:
    """Admits machines whose token is valid for this door and carries the scope that the operation needs."""

    def __init__(self, verifier: TokenVerifier, denials: Denials, audiences: Collection[str]) -> None:
        self._verifier = verifier
        self._denials = denials
        self._audiences = audiences

    async def admit(self, request: Request, action: str, scope: str) -> Principal:
        """Returns who asks, or raises the token's error or ScopeMissing after putting the refusal on record."""
        principal: Principal | None = None
        try:
            principal = await self._verifier.verify(
                bearer(request), audiences=self._audiences, kind="machines"
            )
            principal.demand_scope(scope)
        except CallwardError as error:
            if error.category in _REFUSALS:
                await self._record(principal, action, error.type)
            raise
        return principal

    async def _record(self, principal: Principal | None, action: str, reason: str) -> None:
        tenant, actor = (principal.tenant_id, principal.actor) if principal else ("", ANONYMOUS)
        try:
            await self._denials.record(tenant, actor, action, reason)
        except Exception:
            # The caller is refused all the same.
            _log.exception("refusal not put on record", extra={"reason": reason})


def guarded_route(
    guard: Guard, scope: str, *, demand: Callable[[Request], None] | None = None
) -> type[APIRoute]:
    """Gives the route class of a router: nothing of a request's body is read before the guard admits it.

    `demand` may refuse what was admitted for its headers, also before the body is read.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()

            async def admitted(request: Request) -> Response:
                request.state.principal = await guard.admit(request, self.name, scope)
                if demand is not None:
                    demand(request)
                return await handler(request)

            return admitted

    return GuardedRoute


def principal_of(request: Request) -> Principal:
    """Returns whom the guard admitted."""
    principal: Principal = request.state.principal
    return principal
