"""The rules of ingest."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.errors import DateBeforeCall, DateInFuture
from callward_ingest.domain.fingerprints import FingerprintKey, commit_to_digest
from callward_ingest.domain.policy import (
    demand_not_before,
    demand_not_future,
    expiry_month,
    measured,
    quarantine_reasons,
    quarter_of,
    state_for,
)
from callward_ingest.domain.recordings import RecordingState
from callward_ingest.domain.wav import WavReader
from tests.unit.ingest.fakes import decision
from tests.unit.ingest.scene import wav

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SKEW = timedelta(minutes=5)


def test_a_date_may_lie_in_the_future_by_the_skew_and_no_more() -> None:
    assert demand_not_future(NOW + SKEW, NOW, SKEW, "/startedAt") == NOW + SKEW
    with pytest.raises(DateInFuture) as refused:
        demand_not_future(NOW + SKEW + timedelta(microseconds=1), NOW, SKEW, "/startedAt")
    assert refused.value.extra == {"pointer": "/startedAt"}


def test_a_date_is_given_back_in_utc() -> None:
    local = datetime(2026, 11, 24, 3, tzinfo=timezone(timedelta(hours=-6)))
    assert demand_not_future(local, NOW, SKEW, "/x").tzinfo is UTC


def test_an_end_before_the_start_is_refused() -> None:
    demand_not_before(NOW, NOW, "/endedAt")
    with pytest.raises(DateBeforeCall):
        demand_not_before(NOW - timedelta(seconds=1), NOW, "/endedAt")


@pytest.mark.parametrize(
    ("month", "quarter"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (9, 3), (10, 4), (12, 4)]
)
def test_quarters_are_those_of_the_calendar(month: int, quarter: int) -> None:
    assert quarter_of(datetime(2026, month, 28, tzinfo=UTC)) == f"2026Q{quarter}"


def test_quarter_and_month_are_of_utc() -> None:
    late = datetime(2026, 12, 31, 23, tzinfo=timezone(timedelta(hours=-8)))
    assert quarter_of(late) == "2027Q1"
    assert expiry_month(late) == "2027-01"


def found(content: bytes) -> tuple[str, ...]:
    return tuple(code.value for code in facts(content).finish().quarantine_codes)


def facts(content: bytes) -> WavReader:
    reader = WavReader()
    reader.feed(content)
    return reader


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.revoked, "consent-revoked"),
        (Outcome.evidence_missing, "consent-evidence-missing"),
        (Outcome.recording_off, "recording-off"),
        (Outcome.unspecified, "consent-undecided"),
    ],
)
def test_whatever_is_not_a_permission_at_the_end_quarantines(outcome: Outcome, reason: str) -> None:
    assert quarantine_reasons(decision(outcome), found(wav())) == (reason,)


def test_findings_follow_consent() -> None:
    reasons = quarantine_reasons(decision(Outcome.revoked), found(b""))
    assert reasons == ("consent-revoked", "empty")
    assert state_for(reasons) is RecordingState.quarantined


def test_sound_media_with_permission_is_sealed() -> None:
    good = facts(wav()).finish()
    assert quarantine_reasons(decision(), found(wav())) == ()
    assert state_for(()) is RecordingState.sealed
    assert measured(good).codec == "pcm_mulaw"
    assert measured(good).duration == timedelta(seconds=0.5)


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_fingerprints_of_different_requests_differ(left: list[str], right: list[str]) -> None:
    key = FingerprintKey(NOW.date(), b"k" * 32)
    assert (key.start(*left).digest() == key.start(*right).digest()) == (left == right)


def test_the_nonce_of_a_receipt_is_no_fingerprint_and_depends_on_the_recording() -> None:
    key = FingerprintKey(NOW.date(), b"k" * 32)
    assert key.receipt_nonce("a") == key.receipt_nonce("a")
    assert len({key.receipt_nonce("a"), key.receipt_nonce("b"), key.start("a").digest()}) == 3
    assert commit_to_digest(b"r" * 32, b"d" * 32) != commit_to_digest(b"s" * 32, b"d" * 32)
    assert "kkk" not in repr(key)
