"""Control marks that are signed: what one states, and its bytes. The signing side builds them."""

import re
from dataclasses import dataclass
from datetime import datetime

from callward_common.errors import InvalidRequest, JsonValue
from callward_keys.domain.documents import ISSUER, rfc3339, to_json
from callward_keys.domain.errors import CallNotRegistered
from callward_keys.domain.model import DataKey, KeyState

#: The media type of marks in the JWS header (RFC 7515 section 4.1.9, RFC 8725 section 3.11).
MARK_TYP = "callward-mark+jws"
KINDS = frozenset(
    {
        "pause",
        "resume",
        "mask",
        "unmask",
        "hold",
        "unhold",
        "transfer",
        "leg-added",
        "announcement-played",
    }
)
_WITH_REASON = frozenset({"pause", "mask"})
_LEG = re.compile(r"[A-Za-z0-9._:-]{1,64}")
# No digits: a number that identifies somebody cannot become part of a ledger.
_REASON = re.compile(r"[a-z](?:[a-z-]{0,62}[a-z])?")


@dataclass(frozen=True, slots=True)
class MarkStatement:
    """What a mark states of one call. `leg_id` and `reason` are empty and `until` is None where there is none."""

    tenant_id: str
    call_id: str
    mark_id: str
    leg_id: str
    kind: str
    reason: str
    at: datetime
    until: datetime | None
    received_at: datetime
    event_id: str

    def __post_init__(self) -> None:
        """Refuses a statement that contradicts itself or holds anything but codes and times."""
        if self.kind not in KINDS:
            raise InvalidRequest("kind is none that a mark can have.")
        if self.leg_id and not _LEG.fullmatch(self.leg_id):
            raise InvalidRequest("leg_id is not a code.")
        if self.reason and not _REASON.fullmatch(self.reason):
            raise InvalidRequest("reason is not a code of lower-case letters and hyphens.")
        if self.kind in _WITH_REASON and not self.reason:
            raise InvalidRequest(f"A {self.kind} has a reason.")
        if self.until is not None and (self.kind != "mask" or self.until <= self.at):
            raise InvalidRequest("Only a mask ends at a moment known beforehand, after its beginning.")


def demand_call(key: DataKey | None) -> None:
    """Raises CallNotRegistered unless the call's own key is sealed: the call is on record, and not destroyed."""
    if key is None or key.state is not KeyState.sealed:
        raise CallNotRegistered("The call has no sealed key.")


def mark_payload(statement: MarkStatement, now: datetime) -> bytes:
    """Gives the payload of a mark: JSON with sorted keys and RFC 3339 times in UTC; absent members are left out."""
    document: dict[str, JsonValue] = {
        "iss": ISSUER,
        "iat": int(now.timestamp()),
        "tenant_id": statement.tenant_id,
        "call_id": statement.call_id,
        "mark_id": statement.mark_id,
        "kind": statement.kind,
        "at": rfc3339(statement.at),
        "received_at": rfc3339(statement.received_at),
        "event_id": statement.event_id,
    }
    if statement.leg_id:
        document["leg_id"] = statement.leg_id
    if statement.reason:
        document["reason"] = statement.reason
    if statement.until is not None:
        document["until"] = rfc3339(statement.until)
    return to_json(document)
