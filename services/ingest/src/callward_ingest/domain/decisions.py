"""Decisions of consent and plans of retention, as ingest reads them from its neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callward_common.errors import JsonValue


class Outcome(StrEnum):
    """The outcome of a consent decision. Whatever is not `permit` is a refusal."""

    unspecified = "unspecified"
    permit = "permit"
    evidence_missing = "evidence-missing"
    revoked = "revoked"
    recording_off = "recording-off"


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """A rule of the law that took part in a decision, with its statute."""

    jurisdiction: str
    consent_rule: str
    engine_rule: str
    statute: str
    confidence: str
    deciding: bool

    def as_json(self) -> dict[str, JsonValue]:
        """Gives the rule as callers see it."""
        return {
            "jurisdiction": self.jurisdiction,
            "consentRule": self.consent_rule,
            "engineRule": self.engine_rule,
            "statute": self.statute,
            "confidence": self.confidence,
            "deciding": self.deciding,
        }


@dataclass(frozen=True, slots=True)
class MissingEvidence:
    """Evidence that a decision misses: any of the kinds, for one party."""

    party_id: str
    any_of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of consent with the rules behind it."""

    decision_id: str
    outcome: Outcome
    rules: tuple[AppliedRule, ...]
    missing: tuple[MissingEvidence, ...]
    reasons: tuple[str, ...]
    rules_version: str
    policy_version: int
    decided_at: datetime | None = None

    @property
    def permitted(self) -> bool:
        """True only for `permit`."""
        return self.outcome is Outcome.permit

    @property
    def deciding(self) -> AppliedRule | None:
        """The rule that decided; None where no rule of the law was needed (recording is off)."""
        return next((rule for rule in self.rules if rule.deciding), None)

    def as_json(self) -> dict[str, JsonValue]:
        """Gives the decision as callers see it: codes, citations and party ids, nothing that identifies."""
        missing: Sequence[JsonValue] = [
            {"partyId": m.party_id, "anyOf": list(m.any_of)} for m in self.missing
        ]
        return {
            "decisionId": self.decision_id,
            "outcome": self.outcome.value,
            "decidingRule": self.deciding.as_json() if self.deciding else None,
            "rules": [rule.as_json() for rule in self.rules],
            "missingEvidence": missing,
            "reasons": list(self.reasons),
            "rulesVersion": self.rules_version,
            "policyVersion": self.policy_version,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """How long something is kept, by which rule. Times are UTC."""

    retention_class: str
    retain_until: datetime
    delete_after: datetime
    citation: str
    policy_version: str
