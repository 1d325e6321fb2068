"""What receivers are told: thin payloads of ids, codes and times. Whoever wants more asks the doors, on record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from callward_common.errors import JsonValue
from callward_ingest.domain.events import (
    DomainEvent,
    RecordingQuarantined,
    RecordingRefused,
    RecordingSealed,
    UploadAbandoned,
)
from callward_ingest.domain.webhooks import PING, WebhookEvent


@dataclass(frozen=True, slots=True)
class Notice:
    """An event for receivers: its type and its data."""

    type: WebhookEvent
    data: Mapping[str, JsonValue]

    def body(self, occurred_at: datetime) -> bytes:
        """Gives the bytes that are signed and sent."""
        return _body(self.type.value, occurred_at, self.data)


def notice_of(event: DomainEvent) -> Notice | None:
    """Gives what receivers are told of an event; None for events that are nobody's business outside."""
    match event:
        case RecordingSealed():
            return Notice(
                WebhookEvent.recording_sealed,
                {
                    "recordingId": event.recording_id,
                    "callId": event.call_id,
                    "decisionId": event.decision_id,
                    "retainUntil": _moment(event.retain_until),
                },
            )
        case RecordingQuarantined():
            return Notice(
                WebhookEvent.recording_quarantined,
                {
                    "recordingId": event.recording_id,
                    "callId": event.call_id,
                    "reasons": list(event.reasons),
                },
            )
        case RecordingRefused():
            return Notice(
                WebhookEvent.recording_refused,
                {"callId": event.call_id, "decisionId": event.decision_id, "reasons": list(event.reasons)},
            )
        case UploadAbandoned():
            return Notice(
                WebhookEvent.upload_abandoned,
                {"recordingId": event.recording_id, "callId": event.call_id, "reason": event.reason},
            )
        case _:
            return None


def ping_body(webhook_id: str, occurred_at: datetime) -> bytes:
    """Gives the body of a test."""
    return _body(PING, occurred_at, {"webhookId": webhook_id})


def _body(kind: str, occurred_at: datetime, data: Mapping[str, JsonValue]) -> bytes:
    document = {"type": kind, "timestamp": _moment(occurred_at), "data": dict(data)}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
