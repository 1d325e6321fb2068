"""Calls, evidence and policies for the tests of consent."""

from datetime import UTC, datetime, timedelta

from callward_consent.domain.model import (
    Call,
    Evidence,
    EvidenceKind,
    FormCommitment,
    Party,
    PartyRole,
    QueuePolicy,
    Revocation,
    Use,
    Verdict,
)
from callward_consent.domain.policy import decide
from callward_consent.law.table import ShippedLaw

CALL_ID = "01938c3a-7b1e-7c55-9d0e-5a1f6f7b8c9d"
STARTED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LAW = ShippedLaw().table()
ON, ON_IMPLIED = QueuePolicy(recording_on=True, version=3), QueuePolicy(True, True, 3)
OFF, OFF_IMPLIED = QueuePolicy(version=3), QueuePolicy(False, True, 3)


def at(minutes: int) -> datetime:
    """Gives a moment of the call."""
    return STARTED + timedelta(minutes=minutes)


def party(party_id: str, *codes: str, role: PartyRole = PartyRole.patient) -> Party:
    return Party(party_id, role, codes)


def agent(*codes: str) -> Party:
    return party("agent", *codes, role=PartyRole.organisation)


def call(*parties: Party) -> Call:
    return Call(CALL_ID, "cardiology", STARTED, parties)


def between(agent_in: str, patient_in: str) -> Call:
    """Gives a call between an agent and a patient in two jurisdictions."""
    return call(agent(agent_in), party("patient", patient_in))


def announcement(party_id: str = "patient", minutes: int = 0, name: str = "announcement") -> Evidence:
    return Evidence(
        name, EvidenceKind.announcement, party_id, at(minutes), script_id="notice", script_version="1"
    )


def verbal_yes(party_id: str = "patient", minutes: int = 0, name: str = "yes") -> Evidence:
    return Evidence(name, EvidenceKind.verbal_yes, party_id, at(minutes), offset=timedelta(seconds=4))


def written_form(party_id: str = "patient", minutes: int = 0, name: str = "form") -> Evidence:
    return Evidence(
        name, EvidenceKind.written_form, party_id, at(minutes), form=FormCommitment(bytes(32), bytes(32))
    )


def revocation(party_id: str = "patient", minutes: int = 0, name: str = "revoked") -> Revocation:
    return Revocation(name, party_id, at(minutes))


def verdict(
    facts: Call,
    *evidence: Evidence,
    revoked: tuple[Revocation, ...] = (),
    policy: QueuePolicy = ON,
    use: Use = Use.record,
) -> Verdict:
    """Gives what the shipped law says."""
    return decide(LAW, facts, evidence, revoked, policy, use)
