"""The RPCs of consent over mutual TLS: the life of a call's consent, retries, and what is refused."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.consent.v1 import consent_pb2 as pb
from callward_common.errors import CallwardError, Category
from callward_common.ids import new_id
from tests.integration.consent import requests
from tests.integration.consent.conftest import Running
from tests.support.tenants import MERCY, SUSPENDED

PERMIT, MISSING = pb.DECISION_OUTCOME_PERMIT, pb.DECISION_OUTCOME_EVIDENCE_MISSING
REVOKED, OFF = pb.DECISION_OUTCOME_REVOKED, pb.DECISION_OUTCOME_RECORDING_OFF
LONG = "x" * 100_000


async def test_a_call_is_decided_consented_to_revoked_and_renewed(consent: Running) -> None:
    call, recorder, decider = new_id(), consent.recorder(), consent.decider("access-gateway")
    first = (await recorder.RegisterCall(requests.register(call))).decision
    assert first.outcome == MISSING
    assert [rule.jurisdiction for rule in first.rules if rule.deciding] == ["CA"]
    assert [(m.party_id, list(m.any_of)) for m in first.missing] == [
        ("patient", [pb.EVIDENCE_KIND_VERBAL_YES, pb.EVIDENCE_KIND_WRITTEN_FORM])
    ]
    assert first.rules_version == "2026-11"
    assert first.policy_version == MERCY.version
    told = await recorder.RecordEvidence(requests.record(call, requests.announcement(), "told"))
    assert told.decision.outcome == MISSING
    said = await recorder.RecordEvidence(requests.record(call, requests.yes(), "said"))
    assert said.decision.outcome == PERMIT
    assert list(said.decision.evidence_ids) == [said.evidence_id]
    revoked = await recorder.RevokeConsent(requests.revoke(call))
    assert revoked.decision.outcome == REVOKED
    playback = requests.decide(call, pb.DECISION_USE_PLAYBACK)
    assert (await decider.Decide(playback)).decision.outcome == REVOKED
    again = await recorder.RecordEvidence(requests.record(call, requests.yes(minutes=-10), "again"))
    assert again.decision.outcome == PERMIT
    decision = (await decider.Decide(playback)).decision
    assert (decision.outcome, decision.use) == (PERMIT, pb.DECISION_USE_PLAYBACK)
    assert list(decision.evidence_ids) == [again.evidence_id]
    assert decision.decided_at.ToDatetime() == consent.clock.now().replace(tzinfo=None)


async def test_the_policy_of_the_queue_decides_and_follows_the_register(consent: Running) -> None:
    recorder, call = consent.recorder(), new_id()
    for queue, tenant in (
        ("billing", MERCY.tenant_id),
        ("unlisted", MERCY.tenant_id),
        ("cardiology", SUSPENDED.tenant_id),
        ("cardiology", "never-heard-of"),
    ):
        off = await recorder.RegisterCall(requests.register(new_id(), queue=queue, tenant=tenant))
        assert off.decision.outcome == OFF
    await recorder.RegisterCall(requests.register(call, queue="reminders"))
    told = await recorder.RecordEvidence(requests.record(call, requests.announcement()))
    assert told.decision.outcome == PERMIT
    await consent.provision(replace(MERCY, queues={}, version=MERCY.version + 1))
    assert (await consent.decider().Decide(requests.decide(call))).decision.outcome == OFF


async def test_a_retry_gives_the_same_id_and_is_kept_once(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    for evidence in (requests.yes(), requests.announcement(), requests.form()):
        key = f"key-{evidence.kind}"
        first = await recorder.RecordEvidence(requests.record(call, evidence, key))
        again = await recorder.RecordEvidence(requests.record(call, evidence, key))
        assert first.evidence_id == again.evidence_id
    decision = (await consent.decider().Decide(requests.decide(call))).decision
    assert len(decision.evidence_ids) == 2  # the announcement is on record, and no evidence here


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (requests.yes(), requests.yes(seconds=5)),
        (requests.yes(), requests.announcement()),
        (requests.form(), requests.form("another form")),
    ],
)
async def test_a_key_that_was_used_for_other_evidence_is_refused(
    consent: Running, first: pb.Evidence, other: pb.Evidence
) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    await recorder.RecordEvidence(requests.record(call, first))
    await refused(recorder.RecordEvidence(requests.record(call, other)), "idempotency-key-reused")
    await recorder.RecordEvidence(requests.record(call, other, "another-key"))


async def test_a_revocations_key_is_its_own(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    await recorder.RecordEvidence(requests.record(call, requests.yes(), "same"))
    for _ in range(2):
        answer = await recorder.RevokeConsent(requests.revoke(call, "same"))
        assert answer.decision.outcome == REVOKED
    await refused(
        recorder.RevokeConsent(requests.revoke(call, "same", minutes=-19)), "idempotency-key-reused"
    )


async def test_a_call_registered_again_is_decided_anew_and_with_other_facts_refused(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    await recorder.RecordEvidence(requests.record(call, requests.yes()))
    assert (await recorder.RegisterCall(requests.register(call))).decision.outcome == PERMIT
    others = (
        requests.register(call, queue="billing"),
        requests.register(call, started_at=requests.stamp(-31)),
        requests.register(call, parties=(requests.AGENT, requests.party("patient", "NY"))),
    )
    for other in others:
        await refused(recorder.RegisterCall(other), "call-already-registered", Category.conflict)


@pytest.mark.parametrize("caller", ["audit", "retention", "key-management", "access-gateway", "operator"])
async def test_only_ingest_may_take_down(consent: Running, caller: str) -> None:
    recorder, call = consent.recorder(caller), new_id()
    await refused(recorder.RegisterCall(requests.register(call)), "caller-not-allowed")
    await refused(recorder.RecordEvidence(requests.record(call, requests.yes())), "caller-not-allowed")
    await refused(recorder.RevokeConsent(requests.revoke(call)), "caller-not-allowed")
    await refused(consent.decider().Decide(requests.decide(call)), "unknown-call")


@pytest.mark.parametrize("caller", ["audit", "retention", "key-management", "operator"])
async def test_only_ingest_and_the_access_gateway_may_ask(consent: Running, caller: str) -> None:
    await refused(consent.decider(caller).Decide(requests.decide(new_id())), "caller-not-allowed")


async def test_what_was_never_registered_is_unknown(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await refused(consent.decider().Decide(requests.decide(call)), "unknown-call", Category.not_found)
    await refused(recorder.RecordEvidence(requests.record(call, requests.yes())), "unknown-call")
    await refused(recorder.RevokeConsent(requests.revoke(call)), "unknown-call")
    await recorder.RegisterCall(requests.register(call))
    stranger = requests.record(call, requests.yes("neighbour"))
    await refused(recorder.RecordEvidence(stranger), "unknown-party")
    await refused(recorder.RevokeConsent(requests.revoke(call, party_id="neighbour")), "unknown-party")


@pytest.mark.parametrize("bad", ["", LONG, "a\x00b", "line\nbreak", "\u202e"])
async def test_empty_long_and_unprintable_texts_are_refused_everywhere(consent: Running, bad: str) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    yes, form = requests.yes(), requests.form()
    registrations = [
        requests.register(new_id(), tenant=bad),
        requests.register(new_id(), queue=bad),
        requests.register(new_id(), parties=(requests.AGENT, requests.party(bad, "TX"))),
        requests.register(bad),
    ]
    for registration in registrations:
        await refused(recorder.RegisterCall(registration), "invalid-request")
    if bad:
        elsewhere = requests.register(new_id(), parties=(requests.AGENT, requests.party("p", bad)))
        await refused(recorder.RegisterCall(elsewhere), "unknown-jurisdiction")
    for given in (
        requests.record(call, yes, tenant=bad),
        requests.record(call, yes, bad),
        requests.record(bad, yes),
        requests.record(
            call, pb.Evidence(kind=yes.kind, party_id=bad, offset=yes.offset, given_at=yes.given_at)
        ),
    ):
        await refused(recorder.RecordEvidence(given), "invalid-request")
    type_ = "evidence-incomplete" if not bad else "invalid-request"
    form.form_reference = bad
    await refused(recorder.RecordEvidence(requests.record(call, form)), type_)
    for field in ("script_id", "script_version"):
        told = requests.announcement()
        setattr(told, field, bad)
        await refused(recorder.RecordEvidence(requests.record(call, told)), type_)
    for answer in (
        recorder.RevokeConsent(requests.revoke(call, bad)),
        recorder.RevokeConsent(requests.revoke(call, party_id=bad)),
        recorder.RevokeConsent(requests.revoke(call, tenant=bad)),
        consent.decider().Decide(requests.decide(call, tenant=bad)),
        consent.decider().Decide(requests.decide(bad)),
    ):
        await refused(answer, "invalid-request")


async def test_dates_that_are_absent_impossible_or_in_the_future_are_refused(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    late = requests.stamp(6)
    await refused(recorder.RegisterCall(requests.register(new_id(), started_at=late)), "date-in-future")
    await refused(recorder.RecordEvidence(requests.record(call, requests.yes(minutes=6))), "date-in-future")
    await refused(recorder.RevokeConsent(requests.revoke(call, minutes=6)), "date-in-future")
    never = requests.yes()
    never.ClearField("given_at")
    await refused(recorder.RecordEvidence(requests.record(call, never)), "invalid-request")
    for impossible in (Timestamp(seconds=9 * 10**18), Timestamp(seconds=5, nanos=-1)):
        registration = requests.register(new_id(), started_at=impossible)
        await refused(recorder.RegisterCall(registration), "invalid-request")
    oldest = requests.register(new_id(), started_at=Timestamp(seconds=-62135596800))
    assert (await recorder.RegisterCall(oldest)).decision.outcome == MISSING


async def test_an_offset_that_no_recording_has_is_refused(consent: Running) -> None:
    call, recorder = new_id(), consent.recorder()
    await recorder.RegisterCall(requests.register(call))
    for offset, type_ in (
        (Duration(seconds=9 * 10**18), "invalid-request"),
        (Duration(seconds=-1), "evidence-incomplete"),
        (None, "evidence-incomplete"),
    ):
        evidence = requests.yes()
        evidence.ClearField("offset")
        if offset is not None:
            evidence.offset.CopyFrom(offset)
        await refused(recorder.RecordEvidence(requests.record(call, evidence)), type_)


async def test_what_is_not_stated_or_not_listed_is_refused(consent: Running) -> None:
    recorder, call = consent.recorder(), new_id()
    roleless = (requests.AGENT, requests.party("p", "TX", role=pb.PARTY_ROLE_UNSPECIFIED))
    await refused(recorder.RegisterCall(requests.register(call, parties=roleless)), "invalid-request")
    await refused(
        recorder.RegisterCall(requests.register(call, parties=(requests.AGENT,))), "invalid-parties"
    )
    unlisted = (requests.AGENT, requests.party("p", "ZZ"))
    await refused(recorder.RegisterCall(requests.register(call, parties=unlisted)), "unknown-jurisdiction")
    await refused(
        consent.decider().Decide(requests.decide(call, pb.DECISION_USE_UNSPECIFIED)), "invalid-request"
    )
    await refused(consent.decider().Decide(requests.decide(call)), "unknown-call")


async def test_two_pieces_of_evidence_at_once_are_both_kept_and_the_later_decision_sees_both(
    consent: Running,
) -> None:
    recorder = consent.recorder()
    people = [f"person-{number}" for number in range(6)]
    for _ in range(5):
        call = new_id()
        parties = (requests.AGENT, *(requests.party(name, "CA") for name in people))
        await recorder.RegisterCall(requests.register(call, parties=parties))
        answers = await asyncio.gather(
            *(recorder.RecordEvidence(requests.record(call, requests.yes(name), name)) for name in people)
        )
        missing = sorted(len(answer.decision.missing) for answer in answers)
        assert missing == list(range(len(people)))  # each saw those before it, the last saw all
        decision = (await consent.decider().Decide(requests.decide(call))).decision
        assert decision.outcome == PERMIT
        assert sorted(decision.evidence_ids) == sorted(answer.evidence_id for answer in answers)


async def test_a_revocation_and_a_yes_at_once_leave_one_truth(consent: Running) -> None:
    recorder, call = consent.recorder(), new_id()
    await recorder.RegisterCall(requests.register(call))
    await asyncio.gather(
        recorder.RecordEvidence(requests.record(call, requests.yes(minutes=-25))),
        recorder.RevokeConsent(requests.revoke(call, minutes=-20)),
    )
    assert (await consent.decider().Decide(requests.decide(call))).decision.outcome == REVOKED


async def test_the_same_request_many_times_at_once_is_kept_once(consent: Running) -> None:
    recorder, call = consent.recorder(), new_id()
    registered = await asyncio.gather(*(recorder.RegisterCall(requests.register(call)) for _ in range(6)))
    assert {answer.decision.outcome for answer in registered} == {MISSING}
    request = requests.record(call, requests.form())
    answers = await asyncio.gather(*(recorder.RecordEvidence(request) for _ in range(6)))
    assert len({answer.evidence_id for answer in answers}) == 1
    assert {answer.decision.outcome for answer in answers} == {PERMIT}


async def test_time_that_passes_does_not_change_what_was_permitted(consent: Running) -> None:
    recorder, call = consent.recorder(), new_id()
    await recorder.RegisterCall(requests.register(call))
    await recorder.RecordEvidence(requests.record(call, requests.yes()))
    consent.clock.advance(timedelta(days=400))
    assert (await consent.decider().Decide(requests.decide(call))).decision.outcome == PERMIT


async def refused(answer: Any, type_: str, category: Category | None = None) -> None:
    """Holds that an RPC is refused with a stable type and in words that show nothing of the request."""
    with pytest.raises(CallwardError) as caught:
        await answer
    assert caught.value.type == type_
    assert category in (None, caught.value.category)
    assert requests.FORM_REFERENCE not in caught.value.detail
    assert len(caught.value.detail) < 200
