"""Calls: opening, evidence, revocation, end. What identifies people is sealed before anything is stored."""

import hashlib
import logging
import secrets
from datetime import datetime

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_crypto.keys import associated_data, seal_small
from callward_ingest.app.answers import moment
from callward_ingest.app.documents import call_document
from callward_ingest.app.limits import Limits
from callward_ingest.app.marks_evidence import Audible
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.app.pseudonyms import make_pseudonyms
from callward_ingest.domain.calls import Call, Evidence, NewCall, SealedDocument
from callward_ingest.domain.decisions import Decision, Plan
from callward_ingest.domain.errors import CallAlreadyEnded, CallNotFound
from callward_ingest.domain.events import CallEnded, CallOpened
from callward_ingest.domain.keys import Subject, SubjectKind
from callward_ingest.domain.policy import demand_in_records, demand_not_before, demand_not_future, quarter_of
from callward_ingest.ports import Consent, Keys, Planner, Pseudonyms, Unit, Units

METADATA = "metadata"
"""What stands in the associated data of a call's document where a part names its rendition."""
_log = logging.getLogger(__name__)


class Calls:
    """The use cases around a call. Every time is refused when it lies in the future beyond the allowed skew."""

    def __init__(
        self,
        *,
        units: Units,
        once: Once,
        consent: Consent,
        planner: Planner,
        keys: Keys,
        pseudonyms: Pseudonyms,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._units = units
        self._once = once
        self._consent = consent
        self._planner = planner
        self._keys = keys
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._limits = limits
        self._audible = Audible(units, limits.max_mask)

    async def open(self, request: Request, call: NewCall) -> Answer:
        """Takes a call down: decides on recording, seals what identifies, and puts the call on record."""
        self._demand_past(call.started_at, "/startedAt")
        demand_in_records(call.started_at, "/startedAt")
        return await self._once.run(request, lambda: self._prepare_open(request, call))

    async def add_evidence(self, request: Request, call_id: str, evidence: Evidence) -> Answer:
        """Takes evidence of consent down and gives the new decision."""
        self._demand_past(evidence.given_at, "/givenAt")

        async def prepare() -> Prepared:
            await self._demand_call(request.tenant, call_id)
            await self._audible.demand(request.tenant, call_id, evidence)
            evidence_id, decision = await self._consent.record_evidence(
                request.tenant, call_id, evidence, _neighbours_key(request)
            )
            body: dict[str, JsonValue] = {
                "callId": call_id,
                "evidenceId": evidence_id,
                "decision": decision.as_json(),
            }
            return Prepared(body, lambda unit: self._audible.note(unit, call_id, evidence_id, evidence))

        return await self._once.run(request, prepare)

    async def revoke(self, request: Request, call_id: str, party_id: str, revoked_at: datetime) -> Answer:
        """Takes down that a party revoked its consent and gives the new decision."""
        self._demand_past(revoked_at, "/revokedAt")

        async def prepare() -> Prepared:
            await self._demand_call(request.tenant, call_id)
            decision = await self._consent.revoke(
                request.tenant, call_id, party_id, revoked_at, _neighbours_key(request)
            )
            return Prepared({"callId": call_id, "decision": decision.as_json()}, _nothing)

        return await self._once.run(request, prepare)

    async def end(self, request: Request, call_id: str, ended_at: datetime) -> Answer:
        """Sets when a call ended, once. The same moment again changes nothing; another raises CallAlreadyEnded."""
        ended_at = self._demand_past(ended_at, "/endedAt")

        async def prepare() -> Prepared:
            call = await self._demand_call(request.tenant, call_id)
            demand_not_before(ended_at, call.started_at, "/endedAt")

            async def commit(unit: Unit) -> None:
                recorded, newly = await unit.calls.end(call_id, ended_at)
                if recorded != ended_at:
                    raise CallAlreadyEnded("The call has already ended at another moment.")
                if newly:
                    unit.record(CallEnded(request.actor, call_id, ended_at))

            return Prepared({"callId": call_id, "endedAt": moment(ended_at)}, commit)

        return await self._once.run(request, prepare)

    def _demand_past(self, value: datetime, pointer: str) -> datetime:
        return demand_not_future(value, self._clock.now(), self._limits.clock_skew, pointer)

    async def _demand_call(self, tenant: str, call_id: str) -> Call:
        async with self._units.begin(tenant) as unit:
            call = await unit.calls.find(call_id)
        if call is None:
            raise CallNotFound("There is no such call.")
        return call

    async def _prepare_open(self, request: Request, call: NewCall) -> Prepared:
        tenant, call_id = request.tenant, new_id()
        # What may refuse the call without keeping anything comes first.
        quarter = quarter_of(call.started_at)
        pseudonyms = await make_pseudonyms(self._pseudonyms, tenant, quarter, call.identifying)
        decision = await self._consent.register_call(tenant, call_id, call)
        plan = await self._planner.plan(tenant, call_id, call.started_at, call.age_group)
        document = await self._seal(tenant, call_id, call, plan)
        row = Call(
            call_id=call_id,
            queue=call.queue,
            direction=call.direction,
            started_at=call.started_at,
            opened_at=self._clock.now(),
            age_group=call.age_group,
            document=document,
            party_ids=tuple(party.party_id for party in call.parties),
        )

        async def commit(unit: Unit) -> None:
            await unit.calls.add(row, pseudonyms)
            unit.record(CallOpened(request.actor, call_id, call.queue))

        return Prepared(_opened(call_id, decision), commit)

    async def _seal(self, tenant: str, call_id: str, call: NewCall, plan: Plan) -> SealedDocument:
        subject = Subject(tenant, SubjectKind.call, call_id, secrets.token_bytes(32))
        key = await self._keys.issue(subject, plan)
        try:
            bound = associated_data(tenant, call_id, METADATA, 0)
            ciphertext = seal_small(key.subkey, bound, call_document(call))
            digest = hashlib.sha256(ciphertext).digest()
            await self._keys.seal(subject, digest)
        except Exception:
            await self._give_up(subject)
            raise
        return SealedDocument(ciphertext, digest, key.key_id)

    async def _give_up(self, subject: Subject) -> None:
        try:
            await self._keys.abandon(subject, "call-not-opened")
        except Exception:
            # The key belongs to nothing and is closed to ingest when its time is over.
            _log.warning("key of a call not given up", extra={"call_id": subject.subject_id}, exc_info=True)


def _neighbours_key(request: Request) -> str:
    """Gives the key under which consent knows the request: of one length and form, whatever the sender's is."""
    if request.key is None:
        return new_id()
    return hashlib.sha256(f"{request.operation}\n{request.key}".encode()).hexdigest()


def _opened(call_id: str, decision: Decision) -> dict[str, JsonValue]:
    return {"callId": call_id, "decision": decision.as_json()}


async def _nothing(unit: Unit) -> None:
    """Commits nothing: the neighbour keeps what was stated."""
