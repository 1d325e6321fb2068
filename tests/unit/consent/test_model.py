"""What makes a call, and what the wire may say of one."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.consent.v1 import consent_pb2
from callward_common.errors import InvalidRequest
from callward_consent import translate
from callward_consent.domain.errors import InvalidParties
from callward_consent.domain.model import MAX_JURISDICTIONS, MAX_PARTIES, Party, PartyRole
from tests.unit.consent.builders import ON_IMPLIED, agent, announcement, between, call, party, verdict


@pytest.mark.parametrize(
    "parties",
    [
        (),
        (agent("CA"),),
        (party("patient", "CA"), party("son", "CA")),
        (agent("CA"), party("agent", "CA")),
        (agent("CA"), party("colleague", "CA", role=PartyRole.organisation)),
        (agent("TX"), *(party(f"p{n}", "TX") for n in range(MAX_PARTIES))),
    ],
)
def test_parties_that_make_no_call_are_refused(parties: tuple[Party, ...]) -> None:
    with pytest.raises(InvalidParties):
        call(*parties)


def test_the_largest_call_is_accepted_and_a_party_in_too_many_places_is_not() -> None:
    assert len(call(agent("TX"), *(party(f"p{n}") for n in range(MAX_PARTIES - 1))).parties) == MAX_PARTIES
    party("p", *["TX"] * MAX_JURISDICTIONS)
    with pytest.raises(InvalidParties):
        party("p", *["TX"] * (MAX_JURISDICTIONS + 1))
    with pytest.raises(InvalidParties):
        party("")


@pytest.mark.parametrize("stamp", [Timestamp(seconds=9 * 10**18), Timestamp(seconds=0, nanos=-5)])
def test_an_impossible_moment_is_refused(stamp: Timestamp) -> None:
    with pytest.raises(InvalidRequest):
        translate.moment(stamp, True, "given_at")


def test_an_absent_moment_is_refused_and_a_given_one_is_utc() -> None:
    with pytest.raises(InvalidRequest, match="given_at"):
        translate.moment(Timestamp(), False, "given_at")
    assert translate.moment(Timestamp(seconds=60), True, "x") == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def wire_yes(offset: Duration | None) -> consent_pb2.Evidence:
    return consent_pb2.Evidence(
        kind=consent_pb2.EVIDENCE_KIND_VERBAL_YES, party_id="p", offset=offset, given_at=Timestamp(seconds=1)
    )


@pytest.mark.parametrize("seconds", [9 * 10**18, -9 * 10**18, 604_801, -604_801])
def test_an_offset_beyond_any_recording_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidRequest, match="offset"):
        translate.evidence(wire_yes(Duration(seconds=seconds)))


def test_an_offset_of_nothing_is_an_offset() -> None:
    assert translate.evidence(wire_yes(Duration())).offset == timedelta(0)
    assert translate.evidence(wire_yes(None)).offset is None


def test_what_is_not_stated_on_the_wire_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="kind"):
        translate.evidence(consent_pb2.Evidence(party_id="p", given_at=Timestamp(seconds=1)))
    with pytest.raises(InvalidRequest, match="role"):
        translate.party(consent_pb2.Party(party_id="p"))


def test_every_role_kind_use_and_outcome_of_the_wire_has_a_word() -> None:
    assert set(translate.ROLES) == set(consent_pb2.PartyRole.values()) - {0}
    assert set(translate.KINDS) == set(consent_pb2.EvidenceKind.values()) - {0}
    assert set(translate.USES) == set(consent_pb2.DecisionUse.values()) - {0}
    assert set(translate.OUTCOMES_TO_PROTO.values()) == set(consent_pb2.DecisionOutcome.values()) - {0}


def test_reasons_name_the_way_a_strict_call_was_permitted() -> None:
    refused = verdict(between("CA", "TX"), policy=ON_IMPLIED)
    assert refused.reasons == ("all-party-announcement-or-consent-missing",)
    assert verdict(between("CA", "TX"), announcement(), policy=ON_IMPLIED).evidence_ids == ("announcement",)
