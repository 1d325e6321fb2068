"""Calls, their parties and what identifies them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """Who called whom."""

    inbound = "inbound"
    outbound = "outbound"


class PartyRole(StrEnum):
    """What part somebody has in a call."""

    organisation = "organisation"
    patient = "patient"
    representative = "representative"
    other = "other"


class AgeGroup(StrEnum):
    """Whether the patient is of age: it decides how long a recording is kept."""

    unspecified = "unspecified"
    adult = "adult"
    minor = "minor"


class EvidenceKind(StrEnum):
    """How consent was shown."""

    announcement = "announcement"
    verbal_yes = "verbal-yes"
    written_form = "written-form"


class IdentifierKind(StrEnum):
    """What a pseudonym stands for. Equal values of two kinds have different pseudonyms."""

    telephone = "telephone"
    patient = "patient"
    external_reference = "external-reference"


@dataclass(frozen=True, slots=True)
class Party:
    """A party of a call: where it is and what part it has, not who it is."""

    party_id: str
    role: PartyRole
    jurisdictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifying:
    """What identifies people in a call. It leaves memory sealed or as a pseudonym only, and has no repr."""

    telephones: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # (party id, E.164)
    patient_reference: str | None = field(default=None, repr=False)
    agent_id: str | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)
    external_reference: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call as a platform states it."""

    queue: str
    direction: Direction
    started_at: datetime
    parties: tuple[Party, ...]
    identifying: Identifying
    age_group: AgeGroup = AgeGroup.unspecified


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence of consent. `form_reference` is PHI: it goes to consent and is kept nowhere here."""

    kind: EvidenceKind
    party_id: str
    given_at: datetime
    offset_seconds: float | None = None
    script_id: str = ""
    script_version: str = ""
    form_reference: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """A document sealed under a metadata subkey, with the key that seals it and the document's SHA-256."""

    ciphertext: bytes
    sha256: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """The keyed pseudonym (32 bytes) of an identifier, valid within one quarter's key."""

    kind: IdentifierKind
    quarter: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A call on record: nothing of it identifies anybody in clear.

    `party_ids` None: the call was taken down before they were kept here.
    """

    call_id: str
    queue: str
    direction: Direction
    started_at: datetime
    opened_at: datetime
    age_group: AgeGroup
    document: SealedDocument
    ended_at: datetime | None = None
    party_ids: tuple[str, ...] | None = None

    def clock_start(self, now: datetime) -> datetime:
        """When retention starts to count: the end of the call, or `now` while it has not ended: never too early."""
        return self.ended_at or now
