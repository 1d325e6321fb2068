"""Decisions over random calls: equal to a second implementation, and never laxer for more law or less evidence."""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from callward_consent.domain.model import (
    Call,
    Evidence,
    Outcome,
    Party,
    PartyRole,
    QueuePolicy,
    Revocation,
    Use,
    Verdict,
)
from callward_consent.domain.policy import decide
from tests.unit.consent import oracle
from tests.unit.consent.builders import (
    LAW,
    announcement,
    at,
    call,
    party,
    revocation,
    verbal_yes,
    written_form,
)

STRICT = sorted(code for code in oracle.ROWS if oracle.is_strict(code))
LAX = sorted(set(oracle.ROWS) - set(STRICT))
# Half of the draws are lax, or every random call would be an all-party one.
CODES = st.one_of(st.sampled_from(LAX), st.sampled_from([*STRICT, "unknown", ""]))
PLACES = st.lists(CODES, max_size=2).map(tuple) | st.lists(st.sampled_from(LAX), min_size=1, max_size=3).map(
    tuple
)
OTHERS = st.sampled_from([role for role in PartyRole if role is not PartyRole.organisation])
# The oracle is searched with all examples, the invariants, which it has too, with fewer.
FEWER = settings(max_examples=max(settings().max_examples // 4, 1))
MINUTES = st.integers(0, 6)
POLICIES = st.builds(QueuePolicy, st.booleans(), st.booleans(), st.just(1))


@dataclass(frozen=True)
class Facts:
    """Everything that a decision is taken from."""

    call: Call
    evidence: tuple[Evidence, ...]
    revocations: tuple[Revocation, ...]
    policy: QueuePolicy
    use: Use
    clocks_differ: timedelta

    def verdict(self) -> Verdict:
        return decide(
            LAW, self.call, self.evidence, self.revocations, self.policy, self.use, self.clocks_differ
        )

    def outcome(self) -> Outcome:
        return self.verdict().outcome


@st.composite
def calls(draw: st.DrawFn) -> Call:
    parties = [Party("agent", PartyRole.organisation, draw(PLACES))]
    others = range(draw(st.integers(1, 3)))
    parties += [Party(f"party-{number}", draw(OTHERS), draw(PLACES)) for number in others]
    if draw(st.booleans()):
        parties.append(Party("second-agent", PartyRole.organisation, draw(PLACES)))
    return call(*draw(st.permutations(parties)))


@st.composite
def evidence_of(draw: st.DrawFn, facts: Call, name: str = "e") -> Evidence:
    make = draw(st.sampled_from([announcement, verbal_yes, written_form]))
    who = draw(st.sampled_from([member.party_id for member in facts.parties]))
    return make(who, draw(MINUTES), name)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    on_line = draw(calls())
    evidence = [draw(evidence_of(on_line, f"e{n}")) for n in range(draw(st.integers(0, 5)))]
    if draw(st.booleans()):  # often enough everybody has said yes
        evidence += [
            verbal_yes(member.party_id, draw(MINUTES), f"y-{member.party_id}") for member in on_line.parties
        ]
    who = st.sampled_from([member.party_id for member in on_line.parties])
    # Ids sort by when they were given: "d" before all evidence, "i" among it, "z" after it.
    revoked = [
        revocation(draw(who), draw(MINUTES), f"{draw(st.sampled_from('diz'))}{n}")
        for n in range(draw(st.sampled_from([0, 0, 0, 1, 2])))
    ]
    differ = timedelta(minutes=draw(st.integers(0, 2)))
    return Facts(on_line, tuple(evidence), tuple(revoked), draw(POLICIES), draw(st.sampled_from(Use)), differ)


@given(facts())
def test_the_outcome_is_the_oracles(case: Facts) -> None:
    expected = oracle.outcome(
        case.call, case.evidence, case.revocations, case.policy, case.use, case.clocks_differ
    )
    assert case.outcome().value == expected


@FEWER
@given(facts())
def test_the_deciding_rule_is_one_and_no_rule_is_stricter(case: Facts) -> None:
    rules = case.verdict().rules
    assert {rule.jurisdiction for rule in rules} == oracle.codes_of(case.call) | {"US"}
    (deciding,) = (rule for rule in rules if rule.deciding)
    assert deciding.one_party is all(rule.one_party for rule in rules)


@FEWER
@given(facts())
def test_a_permit_misses_nothing_and_rests_on_evidence_that_stands(case: Facts) -> None:
    verdict = case.verdict()
    assert bool(verdict.missing) is (verdict.outcome is Outcome.evidence_missing)
    assert verdict.reasons
    if verdict.outcome is not Outcome.permit:
        assert verdict.evidence_ids == ()
        return
    standing = {
        item.evidence_id
        for item in case.evidence
        if all(r.party_id != item.party_id or r.revoked_at < item.given_at for r in case.revocations)
    }
    assert set(verdict.evidence_ids) <= standing


@FEWER
@given(facts(), st.data(), st.sampled_from([*STRICT, "unknown"]))
def test_another_all_party_jurisdiction_never_turns_a_refusal_into_a_permit(
    case: Facts, data: st.DataObject, code: str
) -> None:
    moved = data.draw(st.sampled_from(case.call.parties))
    parties = tuple(
        replace(member, jurisdictions=(*member.jurisdictions, code)) if member is moved else member
        for member in case.call.parties
    )
    stricter = replace(case, call=replace(case.call, parties=parties))
    if case.outcome() is not Outcome.permit and moved.jurisdictions:
        assert stricter.outcome() is not Outcome.permit
    added = replace(case, call=replace(case.call, parties=(*case.call.parties, party("joined", code))))
    if case.outcome() is not Outcome.permit:
        assert added.outcome() is not Outcome.permit


@FEWER
@given(facts(), st.data())
def test_more_evidence_never_turns_a_permit_into_a_refusal(case: Facts, data: st.DataObject) -> None:
    more = (*case.evidence, data.draw(evidence_of(case.call, "more")))
    if case.outcome() is Outcome.permit:
        assert replace(case, evidence=more).outcome() is Outcome.permit


@FEWER
@given(facts())
def test_a_stricter_policy_never_turns_a_refusal_into_a_permit(case: Facts) -> None:
    if case.outcome() is not Outcome.permit:
        for stricter in (
            replace(case.policy, implied_consent=False),
            replace(case.policy, recording_on=False),
        ):
            assert replace(case, policy=stricter).outcome() is not Outcome.permit


@FEWER
@given(facts(), st.data())
def test_a_revocation_after_all_evidence_always_refuses_and_a_later_yes_undoes_it(
    case: Facts, data: st.DataObject
) -> None:
    who = data.draw(st.sampled_from([member.party_id for member in case.call.parties]))
    revoked = replace(case, revocations=(*case.revocations, revocation(who, 6, "zz-last")))
    assert revoked.outcome() in (Outcome.revoked, Outcome.recording_off)
    words = tuple(verbal_yes(member.party_id, 7, f"zzz-{member.party_id}") for member in case.call.parties)
    consented = replace(
        revoked, evidence=(*case.evidence, *words), policy=replace(case.policy, recording_on=True)
    )
    assert consented.outcome() is Outcome.permit
    assert all(item.given_at < at(7) for item in case.evidence)


@FEWER
@given(facts())
def test_the_order_in_which_things_are_read_does_not_matter(case: Facts) -> None:
    reordered = replace(
        case, evidence=tuple(reversed(case.evidence)), revocations=tuple(reversed(case.revocations))
    )
    assert reordered.outcome() is case.outcome()
