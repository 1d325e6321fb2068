"""Retention and holds of a version, in a file beside it that decides whether the version may be deleted."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_common.objects.store import LockState, ObjectLocked, StoreUnavailable
from callward_embedded.files import write_durably

UNLOCKED: Final = LockState(until=None, compliance=False, held=False)


class RetentionInPast(InvalidRequest):
    """A retention is to end before it begins (stores with object lock refuse it too)."""

    type = "retention-in-past"
    title = "The retention lies in the past"


def read_state(file: Path) -> LockState:
    """Returns the locks in a file, none when it is missing. What cannot be read is no lock lifted: it raises."""
    try:
        found = json.loads(file.read_bytes())
        until = found["until"]
        return LockState(
            until=None if until is None else datetime.fromisoformat(until),
            compliance=bool(found["compliance"]),
            held=bool(found["held"]),
        )
    except FileNotFoundError:
        return UNLOCKED
    except (ValueError, KeyError, TypeError):
        raise StoreUnavailable("The locks of an object cannot be read.") from None


def write_state(file: Path, state: LockState) -> None:
    """Replaces the locks; durable on return."""
    until = None if state.until is None else state.until.astimezone(UTC).isoformat()
    content = {"until": until, "compliance": state.compliance, "held": state.held}
    write_durably(file, json.dumps(content).encode())


def retained(state: LockState, until: datetime, *, compliance: bool, clock: Clock) -> LockState:
    """Returns the locks with a retention. It may begin, lengthen and become compliance; never the reverse."""
    if until.tzinfo is None:
        raise ValueError("a retention ends at an aware time")
    now = clock.now()
    if until <= now:
        raise RetentionInPast("A retention ends in the future.")
    if state.until is not None and state.until > now:
        if until < state.until:
            raise ObjectLocked("A retention cannot be shortened.")
        if state.compliance and not compliance:
            raise ObjectLocked("A compliance retention cannot be weakened.")
    return replace(state, until=until, compliance=compliance)


def demand_unlocked(state: LockState, clock: Clock) -> None:
    """Raises ObjectLocked while a hold or a retention forbids deletion."""
    if state.held:
        raise ObjectLocked("The object is under a legal hold.")
    if state.until is not None and state.until > clock.now():
        raise ObjectLocked("The object is under retention.", extra={"until": state.until.isoformat()})
