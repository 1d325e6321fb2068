"""Signatures, payloads, the schedule: the rules of webhooks."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier

from callward_common.identity import Actor, ActorKind
from callward_common.ids import new_id
from callward_ingest.domain.events import AccessDenied, CallEnded, RecordingRefused, UploadAbandoned
from callward_ingest.domain.webhook_notices import notice_of, ping_body
from callward_ingest.domain.webhook_schedule import (
    JITTER,
    STANDARD_SCHEDULE,
    Schedule,
    after_attempt,
    disabling,
    without_attempt,
)
from callward_ingest.domain.webhook_signing import shown_secret, signed_headers
from callward_ingest.domain.webhooks import (
    AttemptError,
    Delivery,
    DeliveryState,
    DisabledReason,
    Outcome,
    Webhook,
    WebhookEvent,
)
from tests.support.clock import START

MACHINE = Actor(ActorKind.machine, "pbx-1", "https://machines.example")
DELIVERY = Delivery(new_id(), new_id(), new_id(), "recording.sealed", b"{}", START, next_attempt_at=START)
WEBHOOK = Webhook(new_id(), "https://hooks.example/", (WebhookEvent.recording_sealed,), "", True, START)
FAILED = Outcome(500, AttemptError.status)
SECRET = st.binary(min_size=32, max_size=32)


@given(SECRET, SECRET, st.binary(max_size=200).map(lambda raw: json.dumps(raw.hex()).encode()))
def test_the_independent_library_makes_the_same_signatures(new: bytes, old: bytes, body: bytes) -> None:
    event_id, moment = new_id(), datetime(2026, 11, 24, 9, 0, 1, tzinfo=UTC)
    headers = signed_headers([new, old], event_id, int(moment.timestamp()), body)
    expected = [Verifier(shown_secret(each)).sign(event_id, moment, body.decode()) for each in (new, old)]
    assert headers["webhook-signature"].split(" ") == expected
    assert headers["webhook-id"] == event_id
    assert headers["webhook-timestamp"] == str(int(moment.timestamp()))


def test_the_vector_of_the_library() -> None:
    """The example of the specification's reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert shown_secret(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_payloads_are_ids_codes_and_times() -> None:
    refused = notice_of(RecordingRefused(MACHINE, "call-1", "decision-1", ("consent-revoked",)))
    assert refused is not None
    assert json.loads(refused.body(START)) == {
        "type": "recording.refused",
        "timestamp": "2026-11-24T09:00:00.000Z",
        "data": {"callId": "call-1", "decisionId": "decision-1", "reasons": ["consent-revoked"]},
    }
    abandoned = notice_of(UploadAbandoned(MACHINE, "recording-1", "call-1", "cancelled"))
    assert abandoned is not None
    assert json.loads(abandoned.body(START))["data"] == {
        "recordingId": "recording-1",
        "callId": "call-1",
        "reason": "cancelled",
    }
    assert json.loads(ping_body("w", START))["type"] == "webhook.ping"


def test_other_events_are_nobodys_business_outside() -> None:
    assert notice_of(CallEnded(MACHINE, "call-1", START)) is None
    assert notice_of(AccessDenied(MACHINE, "calls.open", "scope-missing")) is None


def test_the_schedule_is_that_of_the_specification() -> None:
    schedule, delivery, now = Schedule(), DELIVERY, START
    for wait in STANDARD_SCHEDULE:
        delivery = after_attempt(delivery, FAILED, now, schedule, 0.0)
        assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.pending, now + wait)
        now += wait
    assert now - START == timedelta(hours=75, minutes=35, seconds=5)
    dead = after_attempt(delivery, FAILED, now, schedule, 0.0)
    assert (dead.state, dead.attempts, dead.next_attempt_at) == (DeliveryState.dead, 10, None)


@given(st.integers(1, 9), st.floats(0, 1), st.none() | st.floats(-1e6, 1e9, allow_nan=False))
def test_a_wait_is_never_shorter_than_the_schedule_nor_longer_than_it_says(
    tries: int, jitter: float, asked: float | None
) -> None:
    least = STANDARD_SCHEDULE[tries - 1]
    wait = Schedule().wait(tries, Outcome(429, AttemptError.status, asked), jitter)
    assert wait is not None
    assert least <= wait <= max(least * (1 + JITTER), timedelta(hours=24))


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_delivery_that_was_taken(status: int) -> None:
    done = after_attempt(DELIVERY, Outcome(status), START, Schedule(), 1.0)
    assert (done.state, done.attempts, done.last_status) == (DeliveryState.delivered, 1, status)
    assert done.next_attempt_at is None


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 404, 429, 500, 599])
def test_any_other_status_is_a_failure(status: int) -> None:
    assert not Outcome(status, AttemptError.status).taken
    assert not Outcome(status).taken


def test_gone_is_the_end_of_the_delivery_and_of_the_webhook() -> None:
    gone = Outcome(410, AttemptError.status)
    assert after_attempt(DELIVERY, gone, START, Schedule(), 0.0).state is DeliveryState.dead
    assert disabling(WEBHOOK, gone, START, Schedule()) is DisabledReason.gone


def test_failures_disable_after_days_without_a_success_only() -> None:
    schedule, later = Schedule(disable_after=timedelta(days=5)), START + timedelta(days=5)
    failing = replace(WEBHOOK, failing_since=START)
    assert disabling(WEBHOOK, FAILED, later, schedule) is None
    assert disabling(failing, FAILED, later - timedelta(seconds=1), schedule) is None
    assert disabling(failing, FAILED, later, schedule) is DisabledReason.only_failures
    assert disabling(failing, Outcome(200), later, schedule) is None


def test_a_delivery_of_a_disabled_webhook_is_a_dead_letter_without_another_attempt() -> None:
    dead = without_attempt(replace(DELIVERY, attempts=3))
    assert (dead.state, dead.attempts, dead.last_error) == (DeliveryState.dead, 3, "webhook-disabled")


def test_two_secrets_count_until_the_older_ones_time_is_over() -> None:
    rotated = replace(WEBHOOK, secret_version=3, previous_until=START)
    assert rotated.secret_versions(START - timedelta(seconds=1)) == (3, 2)
    assert rotated.secret_versions(START) == (3,)
    assert WEBHOOK.secret_versions(START) == (1,)
    with pytest.raises(ValueError, match="either active or disabled"):
        replace(WEBHOOK, disabled_reason="gone")
