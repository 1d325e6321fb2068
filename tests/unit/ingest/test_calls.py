"""Calls: what is decided, what is sealed, what is refused."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from callward_common.errors import Category, RemoteError, Unavailable
from callward_crypto.keys import associated_data, open_small
from callward_ingest.domain.calls import Evidence, EvidenceKind
from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.errors import (
    CallAlreadyEnded,
    CallNotFound,
    DateBeforeCall,
    DateInFuture,
    DateTooOld,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
)
from callward_ingest.domain.events import CallEnded, CallOpened
from callward_ingest.domain.idempotency import Claimant
from tests.unit.ingest.scene import ACTOR, TENANT, Scene

PHI = ("+15125550100", "MRN-4711", "agent-7", "Asked about results")


async def test_an_opened_call_is_decided_and_its_identifying_fields_are_sealed() -> None:
    scene = Scene(Outcome.evidence_missing)
    answer = await scene.calls.open(scene.request(), scene.new_call())
    call_id = str(answer.body["callId"])
    taken = answer.body["decision"]
    assert isinstance(taken, dict)
    assert taken["outcome"] == "evidence-missing"
    assert taken["decidingRule"] == taken["rules"][0]
    assert taken["decidingRule"]["statute"] == "Cal. Penal Code § 632"
    assert taken["missingEvidence"] == [{"partyId": "patient", "anyOf": ["verbal-yes"]}]
    document = scene.rows.calls[call_id].document
    bound = associated_data(TENANT, call_id, "metadata", 0)
    opened = json.loads(open_small(scene.keys.subkey(call_id), bound, document.ciphertext))
    assert opened["parties"][1]["telephone"] == "+15125550100"
    assert (opened["patientReference"], opened["agentId"], opened["notes"]) == PHI[1:]
    assert scene.keys.issued[call_id].state == "sealed"
    assert scene.keys.issued[call_id].manifest_sha256 == document.sha256
    assert scene.events == [CallOpened(ACTOR, call_id, "cardiology")]


async def test_nothing_identifying_is_stored_or_shown() -> None:
    scene = Scene()
    answer = await scene.calls.open(scene.request(key="k"), scene.new_call())
    kept = repr(scene.rows) + repr(answer) + repr(scene.new_call())
    raw = [scene.rows.calls[str(answer.body["callId"])].document.ciphertext]
    for phi in PHI:
        assert phi not in kept
        assert all(phi.encode() not in value for value in raw)
    assert len(scene.rows.pseudonyms) == 2
    assert {item.quarter for item in scene.rows.pseudonyms} == {"2026Q4"}


async def test_an_unlisted_jurisdiction_is_passed_on_and_leaves_nothing() -> None:
    scene = Scene()
    scene.consent.failing = RemoteError(
        "No such code.", type="unknown-jurisdiction", category=Category.invalid
    )
    with pytest.raises(RemoteError) as refused:
        await scene.calls.open(scene.request(key="k"), scene.new_call())
    assert (refused.value.type, refused.value.http_status) == ("unknown-jurisdiction", 400)
    assert not scene.keys.issued
    assert not scene.rows.calls
    assert not scene.rows.keys


async def test_a_call_whose_key_cannot_be_sealed_gives_the_key_up() -> None:
    scene = Scene()
    scene.keys.failing["seal"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await scene.calls.open(scene.request(), scene.new_call())
    assert [key.state for key in scene.keys.issued.values()] == ["shred_pending"]
    assert not scene.rows.calls


async def test_a_start_in_the_future_is_refused_before_anything_happens() -> None:
    scene = Scene()
    late = scene.clock.now() + timedelta(minutes=6)
    with pytest.raises(DateInFuture):
        await scene.calls.open(scene.request(), scene.new_call(started_at=late))
    assert not scene.consent.registered


async def test_a_start_before_there_were_records_is_refused() -> None:
    scene = Scene()
    with pytest.raises(DateTooOld):
        await scene.calls.open(scene.request(), scene.new_call(started_at=datetime(1969, 12, 31, tzinfo=UTC)))
    assert not scene.consent.registered


async def test_a_request_whose_key_was_taken_over_meanwhile_changes_nothing() -> None:
    scene = Scene()
    register = scene.consent.register_call

    async def slow(*arguments: object) -> object:
        scene.consent.register_call = register  # type: ignore[method-assign]
        scene.clock.advance(scene.limits.claim_hold)
        await scene.calls.open(scene.request(key="k"), scene.new_call())
        return await register(*arguments)  # type: ignore[arg-type]

    scene.consent.register_call = slow  # type: ignore[method-assign, assignment]
    with pytest.raises(IdempotencyKeyInUse):
        await scene.calls.open(scene.request(key="k"), scene.new_call())
    assert len(scene.rows.calls) == 1
    assert (await scene.calls.open(scene.request(key="k"), scene.new_call())).replayed


async def test_the_same_key_gives_the_same_call_and_another_body_is_refused() -> None:
    scene = Scene()
    first = await scene.calls.open(scene.request(key="k", canonical="a"), scene.new_call())
    again = await scene.calls.open(scene.request(key="k", canonical="a"), scene.new_call())
    assert again.body == first.body
    assert (first.replayed, again.replayed) == (False, True)
    with pytest.raises(IdempotencyKeyReused):
        await scene.calls.open(scene.request(key="k", canonical="b"), scene.new_call())
    with pytest.raises(IdempotencyKeyReused):
        await scene.calls.open(scene.request(operation="calls.end", key="k", canonical="a"), scene.new_call())
    assert len(scene.rows.calls) == 1


async def test_an_answer_is_compared_under_the_key_of_its_own_day() -> None:
    scene = Scene()
    first = await scene.calls.open(scene.request(key="k"), scene.new_call())
    scene.clock.advance(timedelta(days=2))
    again = await scene.calls.open(scene.request(key="k"), scene.new_call())
    assert again.body == first.body


async def test_a_key_under_way_is_in_use_until_its_hold_runs_out() -> None:
    scene = Scene()
    async with scene.units.begin(TENANT) as unit:
        claimant = Claimant("another", scene.clock.now() + scene.limits.claim_hold)
        await unit.idempotency.claim("k", claimant, scene.clock.now())
    with pytest.raises(IdempotencyKeyInUse) as refused:
        await scene.calls.open(scene.request(key="k"), scene.new_call())
    assert refused.value.retry_after is not None
    scene.clock.advance(scene.limits.claim_hold)
    assert not (await scene.calls.open(scene.request(key="k"), scene.new_call())).replayed


async def test_a_failed_request_frees_its_key() -> None:
    scene = Scene()
    scene.keys.failing["issue"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await scene.calls.open(scene.request(key="k"), scene.new_call())
    scene.keys.failing.clear()
    assert not (await scene.calls.open(scene.request(key="k"), scene.new_call())).replayed


async def test_evidence_and_revocation_go_to_consent_under_the_senders_key() -> None:
    scene = Scene(Outcome.evidence_missing)
    call_id = await scene.open_call()
    scene.consent.outcomes = [Outcome.permit]
    evidence = Evidence(EvidenceKind.written_form, "patient", scene.clock.now(), form_reference="FORM-0815")
    answer = await scene.calls.add_evidence(scene.request("calls.evidence", key="e1"), call_id, evidence)
    assert scene.consent.evidence == [evidence]
    assert scene.consent.keys == [hashlib.sha256(b"calls.evidence\ne1").hexdigest()]
    assert answer.body["decision"]["outcome"] == "permit"  # type: ignore[index, call-overload]
    assert "FORM-0815" not in repr(scene.rows) + repr(evidence)
    revoked = await scene.calls.revoke(scene.request("calls.revoke"), call_id, "patient", scene.clock.now())
    assert revoked.body["decision"]["outcome"] == "revoked"  # type: ignore[index, call-overload]


async def test_evidence_of_an_unknown_call_or_from_the_future_is_refused() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    now = scene.clock.now()
    with pytest.raises(CallNotFound):
        await scene.calls.add_evidence(
            dataclasses.replace(scene.request("calls.evidence"), tenant="other-clinic"),
            call_id,
            Evidence(EvidenceKind.announcement, "patient", now, script_id="s"),
        )
    late = Evidence(EvidenceKind.announcement, "patient", now + timedelta(hours=1), script_id="s")
    with pytest.raises(DateInFuture):
        await scene.calls.add_evidence(scene.request("calls.evidence"), call_id, late)
    with pytest.raises(DateInFuture):
        await scene.calls.revoke(scene.request("calls.revoke"), call_id, "patient", now + timedelta(hours=1))
    assert not scene.consent.evidence


async def test_a_call_ends_once() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    ended_at = scene.clock.now()
    first = await scene.calls.end(scene.request("calls.end"), call_id, ended_at)
    assert await scene.calls.end(scene.request("calls.end"), call_id, ended_at) == first
    with pytest.raises(CallAlreadyEnded):
        await scene.calls.end(scene.request("calls.end"), call_id, ended_at - timedelta(seconds=1))
    with pytest.raises(DateBeforeCall):
        await scene.calls.end(scene.request("calls.end"), call_id, ended_at - timedelta(hours=1))
    with pytest.raises(DateInFuture):
        await scene.calls.end(scene.request("calls.end"), call_id, ended_at + timedelta(hours=1))
    assert scene.events.count(CallEnded(ACTOR, call_id, ended_at)) == 1
    assert scene.rows.calls[call_id].ended_at == ended_at


async def test_a_call_is_shown_without_identifying_fields() -> None:
    scene = Scene()
    call_id = await scene.open_call()
    await scene.send(call_id)
    shown = await scene.reading.call(TENANT, call_id)
    assert shown["queue"] == "cardiology"
    assert [item["state"] for item in shown["recordings"]] == ["sealed"]  # type: ignore[union-attr, index, call-overload]
    assert not any(phi in repr(shown) for phi in PHI)
    with pytest.raises(CallNotFound):
        await scene.reading.call("other-clinic", call_id)
