"""The metadata of a call as it is known now: its first document with every revision merged into it, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from callward_access.domain.errors import IntegrityFailure
from callward_common.identity import Actor

_PARTIES, _PARTY_ID = "parties", "partyId"


@dataclass(frozen=True)
class SealedRevision:
    """A revision of a call's metadata as ingest tells of it: number from 1, when, by whom, which fields."""

    revision_id: str
    number: int
    revised_at: datetime
    actor: Actor
    changed: Sequence[str]
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True)
class Metadata:
    """What identifies a call, merged, with the revisions behind it. PHI: never shown in a repr."""

    document: Mapping[str, Any] = field(repr=False)
    history: Sequence[SealedRevision] = ()


def patch_of(
    call_id: str, place: int, revision: SealedRevision, document: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the merge patch of an opened revision. `place`: its place in the call's history, from 1.

    The sealed document says which revision of which call it is, when and by whom. Where what is told of it beside the
    document is something else, whoever told it did not seal it: IntegrityFailure.
    """
    patch, actor = document.get("patch"), revision.actor
    if not isinstance(patch, dict) or revision.number != place:
        raise IntegrityFailure("a revision of the metadata is not in its place")
    told = {
        "callId": call_id,
        "revision": place,
        "revisedAt": revision.revised_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "by": {"kind": actor.kind.value, "id": actor.id, "issuer": actor.issuer},
        "patch": patch,
    }
    if document != told or {name.partition(".")[0] for name in revision.changed} != set(patch):
        raise IntegrityFailure("a revision of the metadata is not what it is said to be")
    return patch


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a call's document with a merge patch applied (RFC 7396).

    The parties are a list in the document and an object of party ids in the patch; a party that the list lacks is put
    at its end.
    """
    rest = {name: value for name, value in patch.items() if name != _PARTIES}
    parties = patch.get(_PARTIES)
    if not isinstance(parties, dict):
        return _members(document, rest)
    listed = [dict(party) for party in document.get(_PARTIES, [])]
    known = {party.get(_PARTY_ID) for party in listed}
    listed += [{_PARTY_ID: party_id} for party_id in parties if party_id not in known]
    changed = [_members(party, parties.get(str(party.get(_PARTY_ID)), {})) for party in listed]
    return {**_members(document, rest), _PARTIES: changed}


def _members(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**target, **patch}.items() if value is not None}
