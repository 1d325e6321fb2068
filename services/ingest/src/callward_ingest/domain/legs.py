"""Legs: the lines of one call, each with a clock of its own."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg of a call. Its id is a code of the call platform's that tells nothing of a person.

    `channel`: which channel carries it where one recording holds several legs, from 0. `party_ids`: the parties on
    it, as the call names them. A leg never changes once it is on record.
    """

    leg_id: str
    started_at: datetime
    recorded_at: datetime
    channel: int | None = None
    party_ids: tuple[str, ...] = ()


def overlap(left: str | None, right: str | None) -> bool:
    """Tells whether two scopes share sound: a leg's id, or None for the whole call, which holds every leg."""
    return left is None or right is None or left == right
