"""Consent's ports in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from callward_consent.domain.model import Call, Evidence, Revocation
from callward_consent.ports import Case, DomainEvent


class MemoryUnits:
    """Keeps cases per tenant; what a failed unit added is forgotten."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], Call] = {}
        self.evidence: dict[tuple[str, str, str], Evidence] = {}
        self.revocations: dict[tuple[str, str, str], Revocation] = {}
        self.events: list[DomainEvent] = []

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator["MemoryUnit"]:
        before = dict(self.calls), dict(self.evidence), dict(self.revocations), list(self.events)
        try:
            yield MemoryUnit(self, tenant_id)
        except BaseException:
            self.calls, self.evidence, self.revocations, self.events = before
            raise


class MemoryUnit:
    """One unit of one tenant."""

    def __init__(self, units: MemoryUnits, tenant: str) -> None:
        self._units, self._tenant = units, tenant

    async def case(self, call_id: str) -> Case | None:
        call = self._units.calls.get((self._tenant, call_id))
        if call is None:
            return None
        mine = (self._tenant, call_id)
        return Case(
            call,
            [item for key, item in self._units.evidence.items() if key[:2] == mine],
            [item for key, item in self._units.revocations.items() if key[:2] == mine],
        )

    async def add_call(self, call: Call) -> bool:
        return self._units.calls.setdefault((self._tenant, call.call_id), call) is call

    async def add_evidence(self, call_id: str, evidence: Evidence, idempotency_key: str) -> Evidence:
        return self._units.evidence.setdefault((self._tenant, call_id, idempotency_key), evidence)

    async def add_revocation(self, call_id: str, revocation: Revocation, idempotency_key: str) -> Revocation:
        return self._units.revocations.setdefault((self._tenant, call_id, idempotency_key), revocation)

    async def record(self, event: DomainEvent) -> None:
        self._units.events.append(event)
