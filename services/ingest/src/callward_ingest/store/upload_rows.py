"""Uploads and parts as rows, and back."""

import base64
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from callward_common.identity import Actor, ActorKind
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.recordings import Measured, Part
from callward_ingest.domain.uploads import Prepared, Upload, UploadState

_MEDIA = TypeAdapter(Measured)


def _plan_json(plan: Plan) -> dict[str, str]:
    return {
        "retentionClass": plan.retention_class,
        "retainUntil": plan.retain_until.isoformat(),
        "deleteAfter": plan.delete_after.isoformat(),
        "citation": plan.citation,
        "policyVersion": plan.policy_version,
    }


def _actor_json(actor: Actor) -> dict[str, str]:
    return {"kind": actor.kind.value, "id": actor.id, "issuer": actor.issuer}


def upload_values(upload: Upload) -> dict[str, object]:
    """Gives the columns of a new upload."""
    return {
        "tenant_id": upload.tenant,
        "upload_id": upload.upload_id,
        "call_id": upload.call_id,
        "queue": upload.queue,
        "object_key": upload.object_key,
        "resumable": upload.resumable,
        "state": upload.state.value,
        "received": upload.received,
        "length": upload.length,
        "epoch": upload.epoch,
        "parts": upload.parts,
        "media_type": upload.media_type,
        "plan": _plan_json(upload.plan),
        "actor": _actor_json(upload.actor),
        "commitment": upload.commitment,
        "fingerprint_day": upload.fingerprint_day,
        "idempotency_key": upload.idempotency_key,
        "leg_id": upload.leg_id,
        "clock_started_at": upload.clock_started_at,
        "secret": upload.secret,
        "created_at": upload.created_at,
        "expires_at": upload.expires_at,
    }


def prepared_json(prepared: Prepared) -> dict[str, Any]:
    """Gives what was settled, but for the manifest, which has a column of its own."""
    return {
        "manifestSha256": base64.b64encode(prepared.manifest_sha256).decode(),
        "sidecarKey": prepared.sidecar_key,
        "sidecarVersion": prepared.sidecar_version,
        "keyId": prepared.key_id,
        "media": _MEDIA.dump_python(prepared.media, mode="json"),
        "reasons": list(prepared.reasons),
        "masked": [list(pair) for pair in prepared.masked],
    }


def part_values(part: Part) -> dict[str, object]:
    """Gives the columns of a part."""
    return {
        "object_key": part.object_key,
        "version_id": part.version_id,
        "plaintext_size": part.plaintext_size,
        "ciphertext_size": part.ciphertext_size,
        "header": part.header,
        "ciphertext_sha256": part.ciphertext_sha256,
    }


def part_from(row: sa.Row[*tuple[Any, ...]]) -> Part:
    """Returns the part of a row."""
    return Part(
        object_key=row.object_key,
        version_id=row.version_id,
        plaintext_size=row.plaintext_size,
        ciphertext_size=row.ciphertext_size,
        header=bytes(row.header),
        ciphertext_sha256=bytes(row.ciphertext_sha256),
    )


def upload_from(row: sa.Row[*tuple[Any, ...]]) -> Upload:
    """Returns the upload of a row."""
    return Upload(
        upload_id=row.upload_id,
        tenant=row.tenant_id,
        actor=Actor(ActorKind(row.actor["kind"]), row.actor["id"], row.actor["issuer"]),
        call_id=row.call_id,
        queue=row.queue,
        object_key=row.object_key,
        resumable=row.resumable,
        media_type=row.media_type,
        plan=_plan(row.plan),
        commitment=_bytes(row.commitment),
        fingerprint_day=row.fingerprint_day,
        created_at=row.created_at,
        expires_at=row.expires_at,
        idempotency_key=row.idempotency_key,
        state=UploadState(row.state),
        received=row.received,
        length=row.length,
        epoch=row.epoch,
        parts=row.parts,
        fingerprint=_bytes(row.fingerprint),
        reason=row.reason,
        answer=row.answer,
        prepared=_prepared(row.manifest, row.prepared),
        leg_id=row.leg_id,
        clock_started_at=row.clock_started_at,
        secret=_bytes(row.secret),
    )


def _bytes(value: bytes | memoryview | None) -> bytes | None:
    return None if value is None else bytes(value)


def _plan(value: dict[str, str]) -> Plan:
    return Plan(
        retention_class=value["retentionClass"],
        retain_until=datetime.fromisoformat(value["retainUntil"]),
        delete_after=datetime.fromisoformat(value["deleteAfter"]),
        citation=value["citation"],
        policy_version=value["policyVersion"],
    )


def _prepared(manifest: bytes | None, value: dict[str, Any] | None) -> Prepared | None:
    if manifest is None or value is None:
        return None
    return Prepared(
        manifest=bytes(manifest),
        manifest_sha256=base64.b64decode(value["manifestSha256"]),
        sidecar_key=value["sidecarKey"],
        sidecar_version=value["sidecarVersion"],
        key_id=value["keyId"],
        media=_MEDIA.validate_python(value["media"]),
        reasons=tuple(value["reasons"]),
        masked=tuple((start, end) for start, end in value["masked"]),
    )
