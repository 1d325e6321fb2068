"""The bodies that the door takes."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from callward_common.http.model import Code, LongText, ShortText, StrictModel, Text, Timestamp, refusal
from callward_ingest.domain.calls import (
    AgeGroup,
    Direction,
    Evidence,
    EvidenceKind,
    Identifying,
    NewCall,
    Party,
    PartyRole,
)

#: A telephone number in the form of ITU-T E.164.
Telephone = Annotated[str, Text(16, pattern=r"^\+[1-9][0-9]{1,14}$")]
Seconds = Annotated[float, Field(strict=True, ge=0, le=7 * 86_400)]
_MAX_PARTIES = 32
_MAX_JURISDICTIONS = 8


class PartyBody(StrictModel):
    """A party: an id within the call that tells nothing of the person, its part, and where it is."""

    party_id: Code
    role: PartyRole
    jurisdictions: list[Code] = Field(default=[], max_length=_MAX_JURISDICTIONS)
    telephone: Telephone | None = None


class OpenCallBody(StrictModel):
    """A call. Telephone numbers, the patient's and the caller's own reference, agent and notes are sealed at once."""

    queue: Code
    direction: Direction
    started_at: Timestamp
    parties: list[PartyBody] = Field(min_length=2, max_length=_MAX_PARTIES)
    patient_reference: ShortText | None = None
    agent_id: ShortText | None = None
    notes: LongText | None = None
    external_reference: ShortText | None = None
    age_group: AgeGroup = AgeGroup.unspecified

    @model_validator(mode="after")
    def _parties_differ(self) -> Self:
        if len({party.party_id for party in self.parties}) < len(self.parties):
            raise refusal("Party ids have to differ.")
        return self

    def to_domain(self) -> NewCall:
        """Returns the call."""
        return NewCall(
            queue=self.queue,
            direction=self.direction,
            started_at=self.started_at,
            parties=tuple(
                Party(party.party_id, party.role, tuple(party.jurisdictions)) for party in self.parties
            ),
            identifying=Identifying(
                telephones=tuple(
                    (party.party_id, party.telephone) for party in self.parties if party.telephone is not None
                ),
                patient_reference=self.patient_reference,
                agent_id=self.agent_id,
                notes=self.notes,
                external_reference=self.external_reference,
            ),
            age_group=self.age_group,
        )


class EvidenceBody(StrictModel):
    """Evidence of consent. An announcement names its script, a verbal yes its offset, a form its reference."""

    kind: EvidenceKind
    party_id: Code
    given_at: Timestamp
    offset_seconds: Seconds | None = None
    script_id: Code | None = None
    script_version: Code | None = None
    form_reference: ShortText | None = None

    def to_domain(self) -> Evidence:
        """Returns the evidence."""
        return Evidence(
            kind=self.kind,
            party_id=self.party_id,
            given_at=self.given_at,
            offset_seconds=self.offset_seconds,
            script_id=self.script_id or "",
            script_version=self.script_version or "",
            form_reference=self.form_reference or "",
        )


class RevocationBody(StrictModel):
    """A party takes its consent back."""

    party_id: Code
    revoked_at: Timestamp


class EndCallBody(StrictModel):
    """A call ends."""

    ended_at: Timestamp
