"""What retention knows: the law's rows, a tenant's policy and plans."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class AgeGroup(StrEnum):
    """Whether the patient is of age."""

    unknown = "unknown"
    adult = "adult"
    minor = "minor"


class MinorRule(StrEnum):
    """How a row of the law treats the records of minors."""

    same_as_adult = "same_as_adult"
    max_of = "max_of"
    until_age = "until_age"
    none = "none"
    unclear = "unclear"


@dataclass(frozen=True)
class LawRow:
    """One jurisdiction's period for one kind of holder. Years are None where the law gives no number."""

    jurisdiction: str
    entity_type: str
    adult_years: int | None
    trigger: str
    minor_rule: MinorRule
    minor_until_age: int | None
    minor_years: int | None
    rule_text: str
    citation: str


@dataclass(frozen=True)
class LawTable:
    """The law's table of one version."""

    version: str
    rows: tuple[LawRow, ...]


@dataclass(frozen=True)
class Holder:
    """Who keeps the recording, and its own policy: years it adds to are the law's, never fewer."""

    entity_type: str
    home_state: str
    retain_years: int
    delete_after: timedelta
    policy_version: int


@dataclass(frozen=True)
class Period:
    """A period of the law with the row it comes from and how it was found."""

    years: int
    row: LawRow
    basis: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """How long a recording is kept: `retain_until` and `delete_after` are two values."""

    plan_id: str
    call_id: str
    retention_class: str
    years: int
    clock_start: datetime
    retain_until: datetime
    delete_after: datetime
    row: LawRow
    basis: tuple[str, ...]
    policy_version: str

    def __post_init__(self) -> None:
        if not self.clock_start < self.retain_until <= self.delete_after:
            raise ValueError("a plan ends before it starts")


#: What the years are counted from until a later event is supplied.
CLOCK_EVENT = "end_of_call"
