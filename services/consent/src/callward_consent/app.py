"""The use cases of consent: take down calls, evidence and revocations, and decide."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from callward_common.clock import Clock
from callward_common.identity import Actor
from callward_common.ids import new_id
from callward_consent.domain import policy
from callward_consent.domain.errors import (
    CallAlreadyRegistered,
    DateInFuture,
    IdempotencyKeyReused,
    UnknownCall,
)
from callward_consent.domain.model import (
    Call,
    Decision,
    Evidence,
    EvidenceKind,
    FormCommitment,
    Party,
    RecordingPolicies,
    Revocation,
    Use,
)
from callward_consent.ports import Case, Decided, EvidenceRecorded, Law, Policies, Revoked, Unit, Units


@dataclass(frozen=True)
class EvidenceGiven:
    """Evidence as a caller gives it. `form_reference` is never kept: a salted commitment to it is."""

    kind: EvidenceKind
    party_id: str
    given_at: datetime
    offset: timedelta | None = None
    script_id: str = ""
    script_version: str = ""
    form_reference: str = ""


class ConsentApp:
    """Takes down what is known of a call's consent and decides from it. Nothing is ever changed or removed.

    Policies are read before a unit begins: read within, each unit under way would need a second connection of
    the pool, and as many units as there are connections would wait for each other.
    """

    def __init__(
        self, units: Units, policies: Policies, law: Law, clock: Clock, *, future_tolerance: timedelta
    ) -> None:
        self._units = units
        self._policies = policies
        self._law = law
        self._clock = clock
        self._future_tolerance = future_tolerance

    async def register_call(
        self,
        actor: Actor,
        tenant_id: str,
        call_id: str,
        queue: str,
        started_at: datetime,
        parties: Sequence[Party],
    ) -> Decision:
        """Take down a call and decide whether it may be recorded. The same call again only decides anew."""
        self._refuse_future(started_at)
        call = Call(call_id, queue, started_at, tuple(parties))
        policy.rows_for(self._law.table(), call.parties)
        policies = await self._policies.of_tenant(tenant_id)
        async with self._units.begin(tenant_id) as unit:
            if not await unit.add_call(call):
                known = await unit.case(call_id)
                if known is None or known.call != call:
                    raise CallAlreadyRegistered("the call id belongs to a call with other facts")
            return await self._decide(unit, actor, policies, await self._case(unit, call_id), Use.record)

    async def record_evidence(
        self, actor: Actor, tenant_id: str, call_id: str, given: EvidenceGiven, idempotency_key: str
    ) -> tuple[str, Decision]:
        """Take down evidence and decide anew; returns the evidence's id and the decision."""
        self._refuse_future(given.given_at)
        evidence = _evidence(given)
        policies = await self._policies.of_tenant(tenant_id)
        async with self._units.begin(tenant_id) as unit:
            case = await self._case(unit, call_id)
            case.call.demand_party(evidence.party_id)
            kept = await unit.add_evidence(call_id, evidence, idempotency_key)
            if kept.evidence_id == evidence.evidence_id:
                await unit.record(EvidenceRecorded(actor, call_id, kept))
            elif not _same_evidence(kept, given):
                raise IdempotencyKeyReused("the idempotency key was used for other evidence")
            decision = await self._decide(unit, actor, policies, await self._case(unit, call_id), Use.record)
            return kept.evidence_id, decision

    async def revoke(
        self,
        actor: Actor,
        tenant_id: str,
        call_id: str,
        party_id: str,
        revoked_at: datetime,
        idempotency_key: str,
    ) -> Decision:
        """Take down that a party revoked its consent and decide anew."""
        self._refuse_future(revoked_at)
        revocation = Revocation(new_id(), party_id, revoked_at)
        policies = await self._policies.of_tenant(tenant_id)
        async with self._units.begin(tenant_id) as unit:
            case = await self._case(unit, call_id)
            case.call.demand_party(party_id)
            kept = await unit.add_revocation(call_id, revocation, idempotency_key)
            if kept.revocation_id == revocation.revocation_id:
                await unit.record(Revoked(actor, call_id, kept))
            elif (kept.party_id, kept.revoked_at) != (party_id, revoked_at):
                raise IdempotencyKeyReused("the idempotency key was used for another revocation")
            return await self._decide(unit, actor, policies, await self._case(unit, call_id), Use.record)

    async def decide(self, actor: Actor, tenant_id: str, call_id: str, use: Use) -> Decision:
        """Decide from the evidence on record. Raises UnknownCall for a call that this tenant never registered."""
        policies = await self._policies.of_tenant(tenant_id)
        async with self._units.begin(tenant_id) as unit:
            return await self._decide(unit, actor, policies, await self._case(unit, call_id), use)

    async def _case(self, unit: Unit, call_id: str) -> Case:
        case = await unit.case(call_id)
        if case is None:
            raise UnknownCall("no call with this id was registered")
        return case

    async def _decide(
        self, unit: Unit, actor: Actor, policies: RecordingPolicies, case: Case, use: Use
    ) -> Decision:
        rule = policies.of(case.call.queue)
        table = self._law.table()
        decision = Decision(
            decision_id=new_id(),
            call_id=case.call.call_id,
            use=use,
            verdict=policy.decide(
                table,
                case.call,
                case.evidence,
                case.revocations,
                rule,
                use,
                clocks_differ=self._future_tolerance,
            ),
            rules_version=table.version,
            policy_version=rule.version,
            decided_at=self._clock.now(),
        )
        await unit.record(Decided(actor, decision))
        return decision

    def _refuse_future(self, moment: datetime) -> None:
        if moment > self._clock.now() + self._future_tolerance:
            raise DateInFuture("a date lies further in the future than clocks may differ")


def _evidence(given: EvidenceGiven) -> Evidence:
    return Evidence(
        evidence_id=new_id(),
        kind=given.kind,
        party_id=given.party_id,
        given_at=given.given_at,
        offset=given.offset,
        script_id=given.script_id,
        script_version=given.script_version,
        form=_commit(given.form_reference, secrets.token_bytes(32)) if given.form_reference else None,
    )


def _commit(reference: str, salt: bytes) -> FormCommitment:
    return FormCommitment(salt, hashlib.sha256(salt + reference.encode()).digest())


def _same_evidence(kept: Evidence, given: EvidenceGiven) -> bool:
    same_form = (kept.form is None) == (not given.form_reference) and (
        kept.form is None
        or hmac.compare_digest(_commit(given.form_reference, kept.form.salt).digest, kept.form.digest)
    )
    return same_form and (
        kept.kind,
        kept.party_id,
        kept.given_at,
        kept.offset,
        kept.script_id,
        kept.script_version,
    ) == (given.kind, given.party_id, given.given_at, given.offset, given.script_id, given.script_version)
