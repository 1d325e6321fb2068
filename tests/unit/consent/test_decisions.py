"""Decisions by example: what the rules of consent promise, one promise a test."""

import pytest

from callward_consent.domain.errors import UnknownJurisdiction
from callward_consent.domain.model import EvidenceKind, Outcome, PartyRole, Use
from tests.unit.consent.builders import (
    OFF,
    OFF_IMPLIED,
    ON_IMPLIED,
    agent,
    announcement,
    between,
    call,
    party,
    revocation,
    verbal_yes,
    verdict,
    written_form,
)


def test_california_wins_over_texas_with_its_statute() -> None:
    refused = verdict(between("CA", "TX"))
    assert refused.outcome is Outcome.evidence_missing
    deciding = [rule for rule in refused.rules if rule.deciding]
    assert [(rule.jurisdiction, rule.one_party) for rule in deciding] == [("CA", False)]
    assert "632.7" in deciding[0].statute or "632" in deciding[0].statute
    assert {rule.jurisdiction for rule in refused.rules} == {"US", "CA", "TX"}
    assert [(missing.party_id, set(missing.any_of)) for missing in refused.missing] == [
        ("patient", {EvidenceKind.verbal_yes, EvidenceKind.written_form})
    ]


def test_between_one_party_states_nothing_is_needed_but_announcing_is_advised() -> None:
    silent, announced = verdict(between("TX", "NY")), verdict(between("TX", "NY"), announcement())
    assert silent.outcome is announced.outcome is Outcome.permit
    assert "announcement-advised" in silent.reasons
    assert "announcement-advised" not in announced.reasons


@pytest.mark.parametrize("codes", [(), ("unknown",), ("",), ("US",), ("TX", "unknown")])
def test_an_absent_or_unknown_jurisdiction_counts_as_all_party(codes: tuple[str, ...]) -> None:
    facts = call(agent("TX"), party("patient", *codes))
    refused = verdict(facts, announcement(), policy=ON_IMPLIED)
    assert refused.outcome is Outcome.evidence_missing
    assert [rule.jurisdiction for rule in refused.rules if rule.deciding] == ["unknown"]
    assert verdict(facts, verbal_yes()).outcome is Outcome.permit


@pytest.mark.parametrize("code", ["XX", "ca", "California", " CA", "UNKNOWN", "US-CA", "CA\n", "💥"])
def test_a_code_that_is_not_listed_is_an_error(code: str) -> None:
    with pytest.raises(UnknownJurisdiction) as refused:
        verdict(between("TX", code))
    assert refused.value.type == "unknown-jurisdiction"
    assert code.strip() not in refused.value.detail


def test_every_party_but_the_organisation_has_to_have_consented() -> None:
    facts = call(agent("CA"), party("patient", "TX"), party("son", "TX", role=PartyRole.representative))
    one = verdict(facts, verbal_yes("patient"))
    assert one.outcome is Outcome.evidence_missing
    assert [missing.party_id for missing in one.missing] == ["son"]
    both = verdict(facts, verbal_yes("patient"), written_form("son"))
    assert both.outcome is Outcome.permit
    assert both.evidence_ids == ("yes", "form")


def test_the_agents_own_yes_is_not_the_patients() -> None:
    assert verdict(between("CA", "CA"), verbal_yes("agent")).outcome is Outcome.evidence_missing


def test_an_announcement_suffices_where_policy_and_row_both_say_so() -> None:
    facts = between("CA", "TX")
    assert verdict(facts, announcement()).outcome is Outcome.evidence_missing
    implied = verdict(facts, announcement(), policy=ON_IMPLIED)
    assert implied.outcome is Outcome.permit
    assert implied.reasons == ("all-party-announcement-implied",)


def test_one_strict_row_that_does_not_allow_it_spoils_the_announcement() -> None:
    assert verdict(between("CA", "FL"), announcement(), policy=ON_IMPLIED).outcome is Outcome.evidence_missing


def test_a_one_party_row_does_not_spoil_the_announcement_and_decides_nothing() -> None:
    decision = verdict(between("TX", "WA"), announcement(), policy=ON_IMPLIED)
    assert decision.outcome is Outcome.permit
    assert [rule.jurisdiction for rule in decision.rules if rule.deciding] == ["WA"]


def test_recording_is_off_whatever_the_evidence() -> None:
    decision = verdict(between("TX", "TX"), verbal_yes(), policy=OFF)
    assert decision.outcome is Outcome.recording_off
    assert decision.evidence_ids == ()


def test_recording_switched_off_later_does_not_stop_playback() -> None:
    facts = between("CA", "TX")
    assert verdict(facts, verbal_yes(), policy=OFF, use=Use.playback).outcome is Outcome.permit
    assert verdict(facts, announcement(), policy=OFF_IMPLIED, use=Use.playback).outcome is Outcome.permit
    assert verdict(facts, policy=OFF, use=Use.playback).outcome is Outcome.evidence_missing


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("where", ["TX", "CA"])
def test_a_revocation_refuses_every_use_everywhere_until_a_later_express_consent(
    use: Use, where: str
) -> None:
    facts, revoked = between(where, where), (revocation(minutes=5),)
    before = [verbal_yes(minutes=1), written_form(minutes=5)]
    assert verdict(facts, *before, revoked=revoked, use=use).outcome is Outcome.revoked
    told = announcement(minutes=6)
    assert (
        verdict(facts, *before, told, revoked=revoked, use=use, policy=ON_IMPLIED).outcome is Outcome.revoked
    )
    again = verbal_yes(minutes=7, name="again")
    renewed = verdict(facts, *before, told, again, revoked=revoked, use=use)
    assert renewed.outcome is Outcome.permit


def test_a_decision_does_not_rest_on_evidence_that_was_revoked() -> None:
    facts, revoked = between("CA", "CA"), (revocation(minutes=5),)
    renewed = verdict(facts, verbal_yes(minutes=1), verbal_yes(minutes=7, name="again"), revoked=revoked)
    assert renewed.evidence_ids == ("again",)


def test_a_second_revocation_undoes_the_renewed_consent() -> None:
    revoked = (revocation(minutes=5), revocation(minutes=9, name="second"))
    assert verdict(between("CA", "CA"), verbal_yes(minutes=7), revoked=revoked).outcome is Outcome.revoked


def test_somebody_elses_consent_does_not_undo_a_revocation() -> None:
    facts = call(agent("TX"), party("patient", "TX"), party("daughter", "TX"))
    revoked = (revocation("patient", minutes=1),)
    assert verdict(facts, verbal_yes("daughter", minutes=2), revoked=revoked).outcome is Outcome.revoked
