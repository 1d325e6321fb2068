"""The rules of ingest as pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from callward_ingest.domain.decisions import Decision, Outcome
from callward_ingest.domain.errors import DateBeforeCall, DateInFuture, DateTooOld
from callward_ingest.domain.media import ChannelLevel, MediaFacts
from callward_ingest.domain.recordings import Measured, RecordingState

EARLIEST_YEAR = 1970
DIGEST_NOT_VERIFIED = "digest-not-verified"
"""The code of a recording whose bytes as sent are not known any more, since some of them were silenced."""
_CONSENT_REASONS = {
    Outcome.revoked: "consent-revoked",
    Outcome.evidence_missing: "consent-evidence-missing",
    Outcome.recording_off: "recording-off",
    Outcome.unspecified: "consent-undecided",
}


def demand_not_future(moment: datetime, now: datetime, skew: timedelta, pointer: str) -> datetime:
    """Returns `moment` in UTC, or raises DateInFuture when it lies more than `skew` after `now`."""
    if moment > now + skew:
        raise DateInFuture(
            f"{pointer} lies more than {int(skew.total_seconds())} seconds in the future.",
            extra={"pointer": pointer},
        )
    return moment.astimezone(UTC)


def demand_in_records(moment: datetime, pointer: str) -> None:
    """Raises DateTooOld for a call before 1970: no recording is that old, and no pseudonym could be made for it."""
    if moment.astimezone(UTC).year < EARLIEST_YEAR:
        raise DateTooOld(f"{pointer} lies before {EARLIEST_YEAR}.", extra={"pointer": pointer})


def demand_not_before(moment: datetime, earliest: datetime, pointer: str) -> None:
    """Raises DateBeforeCall when `moment` lies before the start of the call."""
    if moment < earliest:
        raise DateBeforeCall(f"{pointer} lies before the start of the call.", extra={"pointer": pointer})


def quarter_of(moment: datetime) -> str:
    """Gives the calendar quarter in UTC, for example "2026Q4": pseudonyms are keyed by it."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}Q{(utc.month + 2) // 3}"


def expiry_month(end: datetime) -> str:
    """Gives the month in UTC in which a plan ends, "YYYY-MM": keys of one class and month share a bucket."""
    return end.astimezone(UTC).strftime("%Y-%m")


def measured(facts: MediaFacts, levels: Sequence[ChannelLevel] = ()) -> Measured:
    """Gives what of the facts about a body goes on record: codes and numbers. `levels` has one entry per channel."""
    return Measured(
        media_type=facts.media_type,
        codec=facts.codec,
        channels=facts.channels,
        sample_rate=facts.sample_rate,
        duration=facts.length,
        bytes_per_second=facts.bytes_per_second,
        size=facts.total_bytes,
        findings=tuple(code.value for code in facts.codes),
        levels=tuple(levels),
    )


def quarantine_reasons(at_end: Decision, found: Sequence[str]) -> tuple[str, ...]:
    """Gives the stable codes for which a recording is kept apart; none means that it is sealed for use.

    `found`: the codes for which the media itself is kept apart. Consent is judged again at the end, since a party may
    revoke while the call is recorded. Order: consent first, then what was found, as it was found.
    """
    reasons = [] if at_end.permitted else [_CONSENT_REASONS[at_end.outcome]]
    return (*reasons, *found)


def state_for(reasons: Sequence[str]) -> RecordingState:
    """Gives the state that a whole upload ends in."""
    return RecordingState.quarantined if reasons else RecordingState.sealed
