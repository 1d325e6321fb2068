"""The use cases over ports in memory: what is refused, what is kept, what is told."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from callward_common.identity import service_actor
from callward_common.tenancy.model import QueueRule
from callward_consent.app import ConsentApp, EvidenceGiven
from callward_consent.domain.errors import (
    CallAlreadyRegistered,
    DateInFuture,
    EvidenceIncomplete,
    IdempotencyKeyReused,
    UnknownCall,
    UnknownJurisdiction,
    UnknownParty,
)
from callward_consent.domain.model import EvidenceKind, Outcome, Party, Use
from callward_consent.law.table import ShippedLaw
from callward_consent.policies import TenantPolicies
from callward_consent.ports import Decided, EvidenceRecorded, Revoked
from tests.support.clock import ManualClock
from tests.support.tenants import MERCY, OTHER, SUSPENDED, StaticTenantDirectory
from tests.unit.consent.builders import CALL_ID, STARTED, agent, at, party
from tests.unit.consent.fakes import MemoryUnits

INGEST = service_actor("ingest")
TENANT = MERCY.tenant_id
PARTIES = (agent("CA"), party("patient", "TX"))
YES = EvidenceGiven(EvidenceKind.verbal_yes, "patient", at(1), offset=timedelta(seconds=4))
FORM = EvidenceGiven(EvidenceKind.written_form, "patient", at(1), form_reference="chart 4711, form 12")


class World:
    """The app, and what is around it."""

    def __init__(self) -> None:
        self.units, self.clock, self.tenants = MemoryUnits(), ManualClock(), StaticTenantDirectory()
        policies = TenantPolicies(self.tenants)
        tolerance = timedelta(minutes=5)
        self.app = ConsentApp(self.units, policies, ShippedLaw(), self.clock, future_tolerance=tolerance)

    async def register(
        self, tenant: str = TENANT, queue: str = "cardiology", parties: tuple[Party, ...] = PARTIES
    ) -> Outcome:
        decision = await self.app.register_call(INGEST, tenant, CALL_ID, queue, STARTED, parties)
        return decision.verdict.outcome

    async def record(self, given: EvidenceGiven, key: str = "k1") -> tuple[str, Outcome]:
        evidence_id, decision = await self.app.record_evidence(INGEST, TENANT, CALL_ID, given, key)
        return evidence_id, decision.verdict.outcome


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("tenant", "queue"),
    [
        (TENANT, "billing"),
        (TENANT, "a queue nobody listed"),
        ("a tenant nobody knows", "cardiology"),
        (SUSPENDED.tenant_id, "cardiology"),
    ],
)
async def test_recording_is_off_unless_an_active_tenant_turned_it_on(
    world: World, tenant: str, queue: str
) -> None:
    assert await world.register(tenant, queue, (agent("TX"), party("patient", "TX"))) is Outcome.recording_off


async def test_suspension_stops_recording_at_once(world: World) -> None:
    await world.register()
    assert (await world.record(YES))[1] is Outcome.permit
    world.tenants.suspend(TENANT)
    decision = await world.app.decide(INGEST, TENANT, CALL_ID, Use.record)
    assert decision.verdict.outcome is Outcome.recording_off


async def test_switching_recording_off_stops_recording_and_not_playback(world: World) -> None:
    await world.register()
    await world.record(YES)
    queues = {"cardiology": QueueRule("cardiology", recording_on=False, implied_consent=False)}
    world.tenants.records[TENANT] = replace(MERCY, queues=queues, version=2)
    record = await world.app.decide(INGEST, TENANT, CALL_ID, Use.record)
    playback = await world.app.decide(INGEST, TENANT, CALL_ID, Use.playback)
    assert (record.verdict.outcome, playback.verdict.outcome) == (Outcome.recording_off, Outcome.permit)
    assert playback.policy_version == 2


async def test_implied_consent_follows_the_policy_of_the_queue(world: World) -> None:
    told = EvidenceGiven(
        EvidenceKind.announcement, "patient", at(0), script_id="en-notice", script_version="1"
    )
    await world.register()
    assert (await world.record(told))[1] is Outcome.evidence_missing
    queues = {"cardiology": QueueRule("cardiology", recording_on=True, implied_consent=True)}
    world.tenants.records[TENANT] = replace(MERCY, queues=queues)
    decision = await world.app.decide(INGEST, TENANT, CALL_ID, Use.record)
    assert decision.verdict.outcome is Outcome.permit


@pytest.mark.parametrize(
    "incomplete",
    [
        replace(YES, offset=None),
        replace(YES, offset=timedelta(seconds=-1)),
        EvidenceGiven(EvidenceKind.announcement, "patient", at(0)),
        EvidenceGiven(EvidenceKind.announcement, "patient", at(0), script_version="1"),
        replace(FORM, form_reference=""),
    ],
)
async def test_evidence_without_what_its_kind_demands_is_refused(
    world: World, incomplete: EvidenceGiven
) -> None:
    await world.register()
    with pytest.raises(EvidenceIncomplete):
        await world.record(incomplete)
    assert world.units.evidence == {}


async def test_a_form_is_kept_as_a_salted_commitment_only(world: World) -> None:
    await world.register()
    _, outcome = await world.record(FORM, "k1")
    await world.record(FORM, "k2")
    assert outcome is Outcome.permit
    first, second = world.units.evidence.values()
    assert first.form is not None
    assert second.form is not None
    assert first.form.digest == hashlib.sha256(first.form.salt + FORM.form_reference.encode()).digest()
    assert len(first.form.salt) == 32
    assert first.form.salt != second.form.salt
    assert "4711" not in repr((world.units.evidence, world.units.events))


async def test_the_same_key_with_the_same_evidence_gives_the_same_id_and_tells_it_once(world: World) -> None:
    await world.register()
    for given, key in ((YES, "yes"), (FORM, "form")):
        first, again = await world.record(given, key), await world.record(given, key)
        assert first == again
    assert len([event for event in world.units.events if isinstance(event, EvidenceRecorded)]) == 2


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (YES, replace(YES, offset=timedelta(seconds=5))),
        (YES, replace(YES, party_id="agent")),
        (YES, replace(YES, given_at=at(2))),
        (YES, replace(YES, form_reference="a form too")),
        (FORM, replace(FORM, form_reference="another form")),
        (FORM, replace(FORM, script_id="a script too")),
    ],
)
async def test_the_same_key_with_other_evidence_is_refused(
    world: World, first: EvidenceGiven, other: EvidenceGiven
) -> None:
    await world.register()
    await world.record(first)
    told = list(world.units.events)
    with pytest.raises(IdempotencyKeyReused):
        await world.record(other)
    assert world.units.events == told


async def test_a_revocation_is_idempotent_too(world: World) -> None:
    await world.register()
    await world.record(YES)
    for _ in range(2):
        decision = await world.app.revoke(INGEST, TENANT, CALL_ID, "patient", at(9), "r1")
        assert decision.verdict.outcome is Outcome.revoked
    assert len([event for event in world.units.events if isinstance(event, Revoked)]) == 1
    with pytest.raises(IdempotencyKeyReused):
        await world.app.revoke(INGEST, TENANT, CALL_ID, "patient", at(8), "r1")
    with pytest.raises(IdempotencyKeyReused):
        await world.app.revoke(INGEST, TENANT, CALL_ID, "agent", at(9), "r1")


@pytest.mark.parametrize("use", Use)
async def test_a_revocation_is_not_lost_to_clocks_that_differ(world: World, use: Use) -> None:
    await world.register()
    # Dated by a clock four minutes ahead, and taken down before the party took it back by a right one.
    assert (await world.record(replace(YES, given_at=at(9))))[1] is Outcome.permit
    revoked = await world.app.revoke(INGEST, TENANT, CALL_ID, "patient", at(5), "r1")
    assert revoked.verdict.outcome is Outcome.revoked
    assert (await world.app.decide(INGEST, TENANT, CALL_ID, use)).verdict.outcome is Outcome.revoked
    # Said again afterwards, whatever the clock: a new word.
    assert (await world.record(replace(YES, given_at=at(6)), "k2"))[1] is Outcome.permit


async def test_a_consent_dated_well_after_a_revocation_that_is_told_late_stands(world: World) -> None:
    await world.register()
    await world.record(replace(YES, given_at=at(11)))
    told_late = await world.app.revoke(INGEST, TENANT, CALL_ID, "patient", at(5), "r1")
    assert told_late.verdict.outcome is Outcome.permit


async def test_a_call_registered_again_is_decided_anew_and_with_other_facts_refused(world: World) -> None:
    await world.register()
    await world.record(YES)
    assert await world.register() is Outcome.permit
    with pytest.raises(CallAlreadyRegistered):
        await world.register(queue="billing")
    with pytest.raises(CallAlreadyRegistered):
        await world.register(parties=(agent("TX"), party("patient", "TX")))


async def test_another_tenants_call_is_unknown(world: World) -> None:
    await world.register()
    with pytest.raises(UnknownCall):
        await world.app.decide(INGEST, OTHER.tenant_id, CALL_ID, Use.playback)
    with pytest.raises(UnknownCall):
        await world.app.record_evidence(INGEST, OTHER.tenant_id, CALL_ID, YES, "k")
    with pytest.raises(UnknownCall):
        await world.app.revoke(INGEST, OTHER.tenant_id, CALL_ID, "patient", at(1), "k")


async def test_a_party_that_is_not_on_the_line_is_unknown(world: World) -> None:
    await world.register()
    with pytest.raises(UnknownParty):
        await world.record(replace(YES, party_id="neighbour"))
    with pytest.raises(UnknownParty):
        await world.app.revoke(INGEST, TENANT, CALL_ID, "neighbour", at(1), "k")


async def test_dates_in_the_future_are_refused_beyond_what_clocks_may_differ(world: World) -> None:
    limit = world.clock.now() + timedelta(minutes=5)
    late = limit + timedelta(microseconds=1)
    with pytest.raises(DateInFuture):
        await world.app.register_call(INGEST, TENANT, CALL_ID, "cardiology", late, PARTIES)
    await world.app.register_call(INGEST, TENANT, CALL_ID, "cardiology", limit, PARTIES)
    with pytest.raises(DateInFuture):
        await world.record(replace(YES, given_at=late))
    with pytest.raises(DateInFuture):
        await world.app.revoke(INGEST, TENANT, CALL_ID, "patient", late, "k")
    assert (await world.record(replace(YES, given_at=limit)))[1] is Outcome.permit


async def test_an_unlisted_jurisdiction_registers_nothing(world: World) -> None:
    with pytest.raises(UnknownJurisdiction):
        await world.register(parties=(agent("CA"), party("patient", "XX")))
    assert world.units.calls == {}
    assert world.units.events == []


async def test_every_decision_is_told_with_who_asked_and_which_law(world: World) -> None:
    await world.register()
    await world.app.decide(service_actor("access-gateway"), TENANT, CALL_ID, Use.playback)
    first, second = (event for event in world.units.events if isinstance(event, Decided))
    assert (first.actor.id, second.actor.id) == ("ingest", "access-gateway")
    assert first.decision.rules_version == ShippedLaw().table().version
    assert first.decision.decided_at == world.clock.now()
    assert first.decision.decision_id != second.decision.decision_id
