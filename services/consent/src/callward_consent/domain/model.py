"""What consent knows: calls, parties, evidence, revocations, the law's rows and decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from callward_consent.domain.errors import EvidenceIncomplete, InvalidParties, UnknownParty

MIN_PARTIES = 2
MAX_PARTIES = 32
MAX_JURISDICTIONS = 8
UNKNOWN_JURISDICTION = "unknown"
FEDERAL = "US"


class PartyRole(StrEnum):
    """What part somebody has in a call."""

    organisation = "organisation"
    patient = "patient"
    representative = "representative"
    other = "other"


class EvidenceKind(StrEnum):
    """How consent was shown."""

    announcement = "announcement"
    verbal_yes = "verbal-yes"
    written_form = "written-form"


EXPRESS_EVIDENCE = frozenset({EvidenceKind.verbal_yes, EvidenceKind.written_form})


class Use(StrEnum):
    """What a decision is about."""

    record = "record"
    playback = "playback"


class Outcome(StrEnum):
    """The outcome of a decision."""

    permit = "permit"
    evidence_missing = "evidence-missing"
    revoked = "revoked"
    recording_off = "recording-off"


@dataclass(frozen=True)
class Party:
    """A party of a call: where it is, not who it is. No jurisdiction counts as unknown."""

    party_id: str
    role: PartyRole
    jurisdictions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.party_id:
            raise InvalidParties("a party has no id")
        if len(self.jurisdictions) > MAX_JURISDICTIONS:
            raise InvalidParties(f"a party has more than {MAX_JURISDICTIONS} jurisdictions")


@dataclass(frozen=True)
class Call:
    """A call as taken down, never changed afterwards."""

    call_id: str
    queue: str
    started_at: datetime
    parties: tuple[Party, ...]

    def __post_init__(self) -> None:
        if not MIN_PARTIES <= len(self.parties) <= MAX_PARTIES:
            raise InvalidParties(f"a call has {MIN_PARTIES} to {MAX_PARTIES} parties")
        if len({party.party_id for party in self.parties}) != len(self.parties):
            raise InvalidParties("two parties have the same id")
        if not any(party.role is PartyRole.organisation for party in self.parties):
            raise InvalidParties("no party is the organisation that records")
        # The organisation needs to show no consent: without this nobody on an all-party line would have to.
        if all(party.role is PartyRole.organisation for party in self.parties):
            raise InvalidParties("no party is anybody else than the organisation that records")

    def demand_party(self, party_id: str) -> None:
        """Raise UnknownParty unless the call has the party."""
        if all(party.party_id != party_id for party in self.parties):
            raise UnknownParty("the call has no party with this id")


@dataclass(frozen=True)
class FormCommitment:
    """SHA-256(salt ‖ reference) of a signed form: shows later which form it was, without naming it here."""

    salt: bytes
    digest: bytes


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence of consent."""

    evidence_id: str
    kind: EvidenceKind
    party_id: str
    given_at: datetime
    offset: timedelta | None = None
    script_id: str = ""
    script_version: str = ""
    form: FormCommitment | None = None

    def __post_init__(self) -> None:
        if self.kind is EvidenceKind.verbal_yes and self.offset is None:
            raise EvidenceIncomplete("a verbal yes needs its offset in the recording")
        if self.kind is EvidenceKind.announcement and not (self.script_id and self.script_version):
            raise EvidenceIncomplete("an announcement needs the script and its version")
        if self.kind is EvidenceKind.written_form and self.form is None:
            raise EvidenceIncomplete("a written form needs its reference")
        if self.offset is not None and self.offset < timedelta(0):
            raise EvidenceIncomplete("the offset is negative")


@dataclass(frozen=True)
class Revocation:
    """A party revoked its consent."""

    revocation_id: str
    party_id: str
    revoked_at: datetime


@dataclass(frozen=True)
class LawRow:
    """One jurisdiction's rule on recording telephone calls, with its source."""

    jurisdiction: str
    name: str
    one_party: bool
    announcement_suffices: bool
    engine_rule: str
    statute: str
    confidence: str


@dataclass(frozen=True)
class LawTable:
    """The law's table of one version."""

    version: str
    rows: Mapping[str, LawRow]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", MappingProxyType(dict(self.rows)))


@dataclass(frozen=True)
class QueuePolicy:
    """A tenant's recording policy for one queue. The default is off."""

    recording_on: bool = False
    implied_consent: bool = False
    version: int = 0


@dataclass(frozen=True)
class RecordingPolicies:
    """A tenant's recording policies by queue, all of one version. A queue that is not among them is off."""

    version: int = 0
    queues: Mapping[str, QueuePolicy] = field(default_factory=dict)

    def of(self, queue: str) -> QueuePolicy:
        """Return the policy of a queue."""
        return self.queues.get(queue, QueuePolicy(version=self.version))


@dataclass(frozen=True)
class AppliedRule:
    """A rule that took part in a decision."""

    jurisdiction: str
    one_party: bool
    engine_rule: str
    statute: str
    confidence: str
    deciding: bool


@dataclass(frozen=True)
class MissingEvidence:
    """A party of whom evidence is missing, and the kinds any of which would do."""

    party_id: str
    any_of: tuple[EvidenceKind, ...]


@dataclass(frozen=True)
class Verdict:
    """What the rules say: a decision before it has an id and a time."""

    outcome: Outcome
    rules: tuple[AppliedRule, ...]
    missing: tuple[MissingEvidence, ...]
    reasons: tuple[str, ...]
    evidence_ids: tuple[str, ...]


@dataclass(frozen=True)
class Decision:
    """A decision as it is kept and told."""

    decision_id: str
    call_id: str
    use: Use
    verdict: Verdict
    rules_version: str
    policy_version: int
    decided_at: datetime
