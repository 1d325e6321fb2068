"""Answers as JSON: ids, codes, times and citations; never anything that identifies a person."""

import base64
from datetime import UTC, datetime

from callward_common.errors import JsonValue
from callward_common.identity import Actor
from callward_ingest.domain.calls import Call
from callward_ingest.domain.decisions import Decision, Plan
from callward_ingest.domain.recordings import Measured, Recording, Sealing


def moment(value: datetime) -> str:
    """Gives a moment as RFC 3339 in UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def actor_json(actor: Actor) -> dict[str, JsonValue]:
    """Gives who did something: a client's id as its issuer knows it."""
    return {"kind": actor.kind.value, "id": actor.id, "issuer": actor.issuer}


def base64url(value: bytes) -> str:
    """Gives bytes as base64url without padding (RFC 4648 section 5), as JWS does."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def media_json(media: Measured) -> dict[str, JsonValue]:
    """Gives what was measured of the media."""
    return {
        "mediaType": media.media_type,
        "codec": media.codec,
        "channels": media.channels,
        "sampleRate": media.sample_rate,
        "durationSeconds": media.duration.total_seconds(),
        "bytesPerSecond": media.bytes_per_second,
        "size": media.size,
        "findings": list(media.findings),
        "levels": [
            {
                "rmsDbfs": level.rms_dbfs,
                "peakDbfs": level.peak_dbfs,
                "silence": level.silence,
                "clipped": level.clipped,
            }
            for level in media.levels
        ],
    }


def masked_json(masked: tuple[tuple[int, int], ...]) -> list[JsonValue]:
    """Gives what was replaced by silence, by the recording's own clock."""
    return [{"startMicroseconds": start, "endMicroseconds": end} for start, end in masked]


def sealing_json(sealing: Sealing, decision: Decision, plan: Plan) -> dict[str, JsonValue]:
    """Gives the answer to a whole upload: the receipt and what it rests on."""
    return {
        "recordingId": sealing.recording_id,
        "callId": sealing.call_id,
        "state": sealing.state.value,
        "reasons": list(sealing.reasons),
        "receipt": sealing.receipt.jws,
        "manifestSha256": base64url(sealing.manifest_sha256),
        "keyId": sealing.key_id,
        "eventId": sealing.event_id,
        "sealedAt": moment(sealing.sealed_at),
        "decision": decision.as_json(),
        "retention": {
            "retentionClass": plan.retention_class,
            "retainUntil": moment(plan.retain_until),
            "deleteAfter": moment(plan.delete_after),
            "citation": plan.citation,
            "policyVersion": plan.policy_version,
        },
        "media": media_json(sealing.media),
        "maskedRanges": masked_json(sealing.masked),
    }


def recording_json(recording: Recording) -> dict[str, JsonValue]:
    """Gives a recording as its sender may see it again."""
    return {
        "recordingId": recording.recording_id,
        "callId": recording.call_id,
        "state": recording.state.value,
        "reasons": list(recording.reasons),
        "receipt": recording.receipt.jws if recording.receipt else None,
        "sealedAt": moment(recording.sealed_at) if recording.sealed_at else None,
        "retainUntil": moment(recording.retain_until) if recording.retain_until else None,
        "media": media_json(recording.media) if recording.media else None,
        "maskedRanges": masked_json(recording.masked),
        "legId": recording.leg_id,
        "startedAt": moment(recording.clock_started_at) if recording.clock_started_at else None,
    }


def call_json(
    call: Call, decision: Decision, recordings: tuple[Recording, ...], more: bool
) -> dict[str, JsonValue]:
    """Gives a call with what holds now and the newest of its recordings; `moreRecordings` when there are others."""
    return {
        "callId": call.call_id,
        "queue": call.queue,
        "direction": call.direction.value,
        "startedAt": moment(call.started_at),
        "endedAt": moment(call.ended_at) if call.ended_at else None,
        "openedAt": moment(call.opened_at),
        "decision": decision.as_json(),
        "recordings": [
            {"recordingId": item.recording_id, "state": item.state.value, "reasons": list(item.reasons)}
            for item in recordings
        ],
        "moreRecordings": more,
    }
