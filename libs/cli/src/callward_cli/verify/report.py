"""What a verification found: what was checked, what does not hold, what could not be checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    name: str
    holds: bool
    detail: str


@dataclass
class Report:
    """A document's verification. It is good when something was checked and everything checked holds."""

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything that was checked holds."""
        return bool(self.checks) and all(check.holds for check in self.checks)

    def check(self, name: str, detail: str, *, holds: bool) -> None:
        """Note one check."""
        self.checks.append(Check(name, holds, detail))

    def holds(self, name: str, detail: str) -> None:
        """Note a check that holds."""
        self.check(name, detail, holds=True)

    def fails(self, name: str, detail: str) -> None:
        """Note a check that does not hold."""
        self.check(name, detail, holds=False)

    def to_json(self) -> Mapping[str, Any]:
        """Return the report as data."""
        return {
            "kind": self.kind,
            "good": self.good,
            "facts": self.facts,
            "checks": [{"name": c.name, "holds": c.holds, "detail": c.detail} for c in self.checks],
            "unchecked": self.unchecked,
        }
