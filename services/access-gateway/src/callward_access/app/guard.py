"""Asks the policies and audit before any act, and puts every refusal on record."""

from collections import deque
from datetime import timedelta

from callward_access.domain.errors import AuditUnavailable, ConsentForbids, PolicyForbids
from callward_access.domain.model import Act, PolicyAnswer, Recording, UseDecision
from callward_access.ports import Denied, Freshness, Person, Policies, PolicyObject, Units
from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_common.identity import ANONYMOUS

NOT_ASKED = "not-asked"
PERMIT = "permit"


class Guard:
    """Lets an act pass or refuses it. Every refusal is an event, durable before the answer."""

    def __init__(
        self,
        policies: Policies,
        freshness: Freshness,
        units: Units,
        clock: Clock,
        *,
        max_audit_lag: timedelta,
        strangers_per_minute: int,
    ) -> None:
        self._policies = policies
        self._freshness = freshness
        self._units = units
        self._clock = clock
        self._max_audit_lag = max_audit_lag
        self._strangers_per_minute = strangers_per_minute
        self._strangers: deque[float] = deque()

    async def demand_list(self, person: Person) -> PolicyAnswer:
        """Demand the right to list the tenant's recordings. Raises PolicyForbids."""
        target = PolicyObject("Tenant", person.tenant_id, {"tenant": person.tenant_id})
        answer = self._policies.decide(person, Act.list, target, None)
        if not answer.allowed:
            denial = Denied(person.actor, Act.list, PolicyForbids.type, policies=answer.policies)
            raise await self.refused(person, denial, _forbidden(answer))
        return answer

    async def demand(
        self, person: Person, act: Act, recording: Recording, purpose: str, use: UseDecision | None
    ) -> PolicyAnswer:
        """Demand the right to an act on a recording. Raises ConsentForbids or PolicyForbids."""
        recording_id = recording.summary.recording_id
        target = _target(person, recording, NOT_ASKED if use is None else use.outcome)
        answer = self._policies.decide(person, act, target, purpose)
        if answer.allowed:
            return answer
        error = _forbidden(answer)
        # Whoever has no right anyway does not learn what the patient decided.
        consented = _target(person, recording, PERMIT)
        if (
            use is not None
            and not use.permitted
            and self._policies.decide(person, act, consented, purpose).allowed
        ):
            error = ConsentForbids(
                "the consent on record does not permit using the recording", extra={"outcome": use.outcome}
            )
        raise await self.refused(
            person, Denied(person.actor, act, error.type, recording_id, purpose, answer.policies), error
        )

    async def demand_audit(self, person: Person, act: Act, recording_id: str, purpose: str) -> None:
        """Demand that audit keeps up with this service: no audit, no bytes. Raises AuditUnavailable."""
        behind = await self._freshness.behind()
        if behind is not None and behind <= self._max_audit_lag:
            return
        error = AuditUnavailable(
            "the audit log is not keeping up; nothing is opened until it does", retry_after=5
        )
        raise await self.refused(person, Denied(person.actor, act, error.type, recording_id, purpose), error)

    async def refused(self, person: Person, denial: Denied, error: CallwardError) -> CallwardError:
        """Put a refusal on record and return its error, to be raised."""
        async with self._units.begin(person.tenant_id) as unit:
            unit.record(denial)
        return error

    async def refused_stranger(self, action: str, error: CallwardError) -> CallwardError:
        """Put the refusal of somebody unidentified on record and return its error, to be raised.

        At most so many a minute: nobody without a token may fill a ledger that is kept for years.
        """
        now = self._clock.monotonic()
        while self._strangers and now - self._strangers[0] >= 60:
            self._strangers.popleft()
        if len(self._strangers) < self._strangers_per_minute:
            self._strangers.append(now)
            async with self._units.begin("") as unit:
                unit.record(Denied(ANONYMOUS, action, error.type))
        return error


def _target(person: Person, recording: Recording, consent: str) -> PolicyObject:
    attributes = {
        "tenant": person.tenant_id,
        "queue": recording.summary.queue,
        "state": recording.summary.state,
        "consent": consent,
    }
    return PolicyObject("Recording", recording.summary.recording_id, attributes)


def _forbidden(answer: PolicyAnswer) -> CallwardError:
    return PolicyForbids("the policies do not permit this act", extra={"policies": list(answer.policies)})
