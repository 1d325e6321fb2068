"""Webhooks of a platform: told of what happened, on record, and at least once whatever happens to the process."""

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.support.audio import wav
from tests.support.doors import CLINIC, Callward, Client, saw
from tests.support.hooks import HookReceiver, hook_receiver
from tests.support.journeys import answered, open_call, pull, record, upload
from tests.support.platform import RunningPlatform
from tests.support.process import dev
from tests.support.telemetry import Telemetry
from tests.support.waiting import eventually

EVENTS = ["recording.sealed", "recording.refused", "upload.abandoned"]


def register(platform: Client, receiver: HookReceiver, events: list[str] = EVENTS) -> dict[str, Any]:
    return answered(platform.post("/v1/webhooks", json={"url": receiver.url, "events": events}), 201)


def deliveries(platform: Client, webhook: dict[str, Any], state: str = "") -> list[dict[str, Any]]:
    path = f"/v1/webhooks/{webhook['webhookId']}/deliveries" + (f"?state={state}" if state else "")
    found: list[dict[str, Any]] = answered(platform.get(path), 200)["deliveries"]
    return found


def test_a_receiver_is_told_what_the_audit_log_says(callward: Callward, telemetry: Telemetry) -> None:
    sender, siem = callward.call_platform(), callward.siem()
    cursor = pull(siem)[1]
    with hook_receiver() as receiver, hook_receiver() as strangers:
        theirs = register(callward.call_platform(CLINIC), strangers)
        webhook = register(sender, receiver)
        recorded = record(callward, audio=wav(0.2))
        assert saw(upload(sender, open_call(sender), wav(0.2))) == (403, "consent-required")
        answered(sender.post(f"/v1/webhooks/{webhook['webhookId']}/test"), 202)
        eventually(lambda: len(deliveries(sender, webhook, "delivered")) >= 3, "three deliveries")
        payloads = {
            payload["type"]: (headers, payload)
            for headers, body in receiver.requests
            for payload in [Verifier(webhook["secret"]).verify(body, dict(headers))]
        }
        assert set(payloads) == {"recording.sealed", "recording.refused", "webhook.ping"}
        headers, sealed = payloads["recording.sealed"]
        assert sealed["data"]["recordingId"] == recorded.recording_id
        assert headers["webhook-id"] == recorded.answer["eventId"]
        assert strangers.requests == []
        answered(sender.post(f"/v1/webhooks/{webhook['webhookId']}/rotate-secret"), 200)
        for each, platform in ((webhook, sender), (theirs, callward.call_platform(CLINIC))):
            assert platform.delete(f"/v1/webhooks/{each['webhookId']}").status_code == 204

    def on_record() -> list[str]:
        found = [json.loads(line) for line in pull(siem, cursor=cursor)[0]]
        return [
            each["metadata"]["event_code"].rpartition(".")[2]
            for each in found
            if each.get("entity") == {"type": "webhook", "uid": webhook["webhookId"]}
        ]

    wanted = ["WebhookRegistered", "WebhookChanged", "WebhookRemoved"]
    eventually(lambda: on_record() == wanted, "the record of the webhook's changes")
    everything = b"".join(pull(siem, cursor=cursor)[0]) + telemetry.log_text.encode()
    assert webhook["secret"].removeprefix("whsec_").encode() not in everything
    assert b"planted-token" not in everything


def test_secrets_are_stored_nowhere(callward: Callward, platform: RunningPlatform) -> None:
    sender = callward.call_platform()
    with hook_receiver() as receiver:
        webhook = register(sender, receiver)
    secret = webhook["secret"].removeprefix("whsec_").encode()
    assert sender.delete(f"/v1/webhooks/{webhook['webhookId']}").status_code == 204
    platform.sql("ingest", "CHECKPOINT", role="admin")
    for path in platform.data_dir.rglob("*"):
        if path.is_file() and not path.is_socket():
            assert secret not in path.read_bytes(), path


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="callward-dev-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # as root the database runs as another user, who must pass through
        yield Path(name) / "data"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ended_and_killed_during_deliveries(data_dir: Path) -> None:
    """SIGTERM lets a delivery end, or gives it back; SIGKILL leaves a lease that runs out. Each arrives in the end."""
    environment = {"CALLWARD_INGEST_WEBHOOK_ATTEMPT_TIMEOUT": "8", "CALLWARD_INGEST_WEBHOOK_DRAIN": "1"}
    with hook_receiver(released=False) as receiver:
        with dev(data_dir, environment) as first:
            sender = first.wait_ready().call_platform()
            webhook = register(sender, receiver)
            answered(sender.post(f"/v1/webhooks/{webhook['webhookId']}/test"), 202)
            receiver.wait(1)
            assert first.end(signal.SIGTERM) == 0
        with dev(data_dir, environment) as second:
            sender = second.wait_ready().call_platform()
            receiver.wait(2)
            assert [each["state"] for each in deliveries(sender, webhook)] == ["pending"]
            assert second.end(signal.SIGKILL) == -signal.SIGKILL
        receiver.released.set()
        with dev(data_dir, environment) as third:
            sender = third.wait_ready().call_platform()
            receiver.wait(3, within=60)
            eventually(lambda: deliveries(sender, webhook, "delivered"), "the delivery")
            assert third.end(signal.SIGTERM) == 0
        assert len(set(receiver.ids())) == 1
        assert "Traceback" not in third.output + third.errors
