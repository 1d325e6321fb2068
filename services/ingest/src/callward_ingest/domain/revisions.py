"""Late metadata: what becomes known of a call after it was opened, one revision at a time. Nothing is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from callward_common.errors import InvalidRequest
from callward_common.identity import Actor
from callward_ingest.domain.calls import Identifying, SealedDocument
from callward_ingest.domain.errors import MetadataFixed, RevisionNotCurrent, TooManyRevisions, UnknownParty

Patch: TypeAlias = "Mapping[str, str | Mapping[str, Mapping[str, str | None]] | None]"
"""A JSON merge patch (RFC 7396) of a call's metadata; `parties` is an object of party ids in it."""
PARTIES, TELEPHONE = "parties", "telephone"
TELEPHONES = f"{PARTIES}.{TELEPHONE}"
"""The name of the field that stands for every party's number: a party's id is left out, since its sender chose it."""
_DECIDED = "consent was decided on it"
#: Members of a call that a patch cannot change, with the reason.
FIXED: Mapping[str, str] = {
    "queue": _DECIDED,
    "direction": _DECIDED,
    "startedAt": "its keys and its retention follow from it",
    "endedAt": "a call ends once, by its own request",
    "openedAt": "it is when the call was taken down",
    "ageGroup": "its retention was planned by it",
    "callId": "it is the call's name",
    "decision": "consent decides",
}
#: The same of the members of a party.
FIXED_OF_PARTY: Mapping[str, str] = {
    "partyId": "it is the party's name",
    "role": _DECIDED,
    "jurisdictions": _DECIDED,
}


@dataclass(frozen=True, slots=True)
class MetadataPatch:
    """What a revision states: texts by the names of their fields, telephone numbers by party. None removes. PHI."""

    texts: Mapping[str, str | None] = field(repr=False)
    telephones: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuses a patch that changes nothing."""
        if not self.texts and not self.telephones:
            raise InvalidRequest("The patch changes nothing.")

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the fields, in the order of the alphabet; no value and no party."""
        return tuple(sorted((*self.texts, *([TELEPHONES] if self.telephones else []))))

    @property
    def identifying(self) -> Identifying:
        """The identifiers that are new: the call is found by them from now on."""
        return Identifying(
            telephones=tuple((party, number) for party, number in self.telephones.items() if number),
            patient_reference=self.texts.get("patientReference"),
            external_reference=self.texts.get("externalReference"),
        )

    def as_json(self) -> Patch:
        """Gives the merge patch as it is sealed."""
        if not self.telephones:
            return dict(self.texts)
        parties = {party: {TELEPHONE: number} for party, number in self.telephones.items()}
        return {**self.texts, PARTIES: parties}


@dataclass(frozen=True, slots=True)
class RevisionEntry:
    """What is shown of a revision: number from 1, when, by whom, which fields. No value."""

    number: int
    revision_id: str
    revised_at: datetime
    actor: Actor
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision on record, with its sealed document."""

    entry: RevisionEntry
    document: SealedDocument


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """A page of revisions in the order of their numbers; `more` is True when others follow; `newest`: of the call."""

    entries: tuple[RevisionEntry, ...]
    more: bool
    newest: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The numbers that the newest revision may have (If-Match, RFC 9110 section 13.1.1); None: any."""

    numbers: frozenset[int] | None = None


def demand_not_fixed(names: Mapping[str, object], fixed: Mapping[str, str], pointer: str) -> None:
    """Raises MetadataFixed for a name that a patch cannot change. `pointer` is where the names stand."""
    for name, why in fixed.items():
        if name in names:
            raise MetadataFixed(
                f"{name} cannot be changed: {why}.", extra={"field": name, "pointer": f"{pointer}/{name}"}
            )


def demand_parties(patch: MetadataPatch, party_ids: tuple[str, ...] | None) -> None:
    """Raises UnknownParty for a party that the call does not have. None: they are not known here, all are taken."""
    if party_ids is not None and not patch.telephones.keys() <= set(party_ids):
        raise UnknownParty("The call has no such party.", extra={"pointer": f"/{PARTIES}"})


def demand_current(newest: int, expected: Expected, limit: int) -> None:
    """Raises unless the newest revision is one that the sender expects, and one more is within the limit."""
    if expected.numbers is not None and newest not in expected.numbers:
        raise RevisionNotCurrent("The call was revised meanwhile.", extra={"revision": newest})
    if newest >= limit:
        raise TooManyRevisions(f"A call has at most {limit} revisions.", extra={"limit": limit})
