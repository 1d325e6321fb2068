"""Idempotency keys: a request that is sent again gets the stored answer instead of acting twice."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from callward_common.errors import JsonValue


class ClaimOutcome(StrEnum):
    """What became of the wish to use a key."""

    claimed = "claimed"
    in_use = "in-use"
    done = "done"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that a key stands for, with the fingerprint (HMAC-SHA256) of the request and its key's day."""

    fingerprint: bytes
    fingerprint_day: date
    body: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Claim:
    """The outcome of claiming a key; `answer` where it is done, `owner` where it is in use."""

    outcome: ClaimOutcome
    answer: StoredAnswer | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants a key and until when. An upload's owner is the id of the recording it would become."""

    owner: str
    held_until: datetime
