"""Events as OCSF 1.8: one class and activity per act (https://schema.ocsf.io).

What OCSF has no attribute for (purpose of use, consent decision, retention) stands under `unmapped.callward`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from callward_audit.domain.errors import UnmappedEvent
from callward_audit.domain.model import Fact

OCSF_VERSION = "1.8.0"
VENDOR = "Callward"

FILE_HOSTING = 6006
WEB_RESOURCES = 6001
DATASTORE = 6005
API = 6003
ENTITY = 3004

INFORMATIONAL, MEDIUM = 1, 3
SUCCESS, FAILURE = 1, 2
_FILE, _FOLDER = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USER_TYPES = {"ACTOR_KIND_PERSON": 1, "ACTOR_KIND_MACHINE": 3, "ACTOR_KIND_SERVICE": 3}

Objects = Callable[[Fact], Mapping[str, Any]]


@dataclass(frozen=True)
class Shape:
    """Where an event stands in OCSF: its class, its activity, and the objects that the class asks for."""

    class_uid: int
    activity_id: int
    activity_name: str
    objects: Objects
    failure: bool = False


def _recording(fact: Fact) -> Mapping[str, Any]:
    recording_id = str(fact.fields.get("recording_id") or fact.key)
    media = fact.fields.get("media") or {}
    file: dict[str, Any] = {"name": recording_id, "uid": recording_id, "type_id": _FILE}
    if media.get("media_type"):
        file["mime_type"] = media["media_type"]
    if media.get("size"):
        file["size"] = int(media["size"])
    return {"file": file}


def _check(fact: Fact) -> Mapping[str, Any]:
    result = {"access_result": {"outcome": "denied", "reason": str(fact.fields.get("reason", ""))}}
    if not fact.fields.get("recording_id"):
        # Nothing was named, or nothing that exists: what was refused is the tenant's recordings as a whole.
        return {"file": {"name": "recordings", "type_id": _FOLDER}, **result}
    return {**_recording(fact), **result}


def _call(fact: Fact) -> Mapping[str, Any]:
    return {"entity": {"type": "call", "uid": str(fact.fields.get("call_id") or fact.key)}}


def _reconciliation(fact: Fact) -> Mapping[str, Any]:
    return {
        "entity": {"type": "reconciliation", "uid": str(fact.fields.get("reconciliation_id") or fact.key)}
    }


def _webhook(fact: Fact) -> Mapping[str, Any]:
    return {"entity": {"type": "webhook", "uid": str(fact.fields.get("webhook_id") or fact.key)}}


def _tenant(fact: Fact) -> Mapping[str, Any]:
    return {"entity": {"type": "tenant", "uid": fact.tenant_id}}


def _key(fact: Fact) -> Mapping[str, Any]:
    name = str(fact.fields.get("key_id") or fact.fields.get("subject_id") or fact.key)
    return {"databucket": {"name": name, "uid": name, "type_id": 99, "type": "data key"}}


def _operation(fact: Fact) -> Mapping[str, Any]:
    return {"api": {"operation": str(fact.fields.get("action") or fact.type.rsplit(".", 1)[-1])}}


def _web_resource(_: Fact) -> Mapping[str, Any]:
    return {"web_resources": [{"type": "recordings", "name": "recordings"}]}


#: The name of an act in `AccessGranted` → OCSF's activity. Listening is Open, never Download.
_ACTS = {"listen": (14, "Open"), "view": (9, "Preview"), "download": (2, "Download")}

SHAPES: Mapping[str, Shape] = {
    "callward.access.v1.TenantChanged": Shape(ENTITY, 3, "Update", _tenant),
    "callward.access.v1.RecordingsListed": Shape(WEB_RESOURCES, 5, "Search", _web_resource),
    "callward.access.v1.AccessGranted": Shape(FILE_HOSTING, 14, "Open", _recording),
    "callward.access.v1.AccessDenied": Shape(FILE_HOSTING, 17, "Access Check", _check, failure=True),
    "callward.access.v1.MediaServed": Shape(FILE_HOSTING, 14, "Open", _recording),
    "callward.audit.v1.AuditAccessDenied": Shape(API, 2, "Read", _operation, failure=True),
    "callward.consent.v1.ConsentDecided": Shape(ENTITY, 2, "Read", _call),
    "callward.consent.v1.ConsentEvidenceRecorded": Shape(ENTITY, 1, "Create", _call),
    "callward.consent.v1.ConsentRevoked": Shape(ENTITY, 7, "Unenroll", _call),
    "callward.ingest.v1.CallOpened": Shape(ENTITY, 1, "Create", _call),
    "callward.ingest.v1.CallEnded": Shape(ENTITY, 3, "Update", _call),
    "callward.ingest.v1.CallMetadataRevised": Shape(ENTITY, 3, "Update", _call),
    "callward.ingest.v1.ReconciliationMade": Shape(ENTITY, 1, "Create", _reconciliation),
    "callward.ingest.v1.ControlMarkRecorded": Shape(ENTITY, 3, "Update", _call),
    "callward.ingest.v1.RecordingRefused": Shape(ENTITY, 2, "Read", _call, failure=True),
    "callward.ingest.v1.RecordingSealed": Shape(FILE_HOSTING, 1, "Upload", _recording),
    "callward.ingest.v1.RecordingQuarantined": Shape(FILE_HOSTING, 1, "Upload", _recording),
    "callward.ingest.v1.UploadAbandoned": Shape(FILE_HOSTING, 1, "Upload", _recording, failure=True),
    "callward.ingest.v1.IngestAccessDenied": Shape(API, 1, "Create", _operation, failure=True),
    "callward.ingest.v1.WebhookRegistered": Shape(ENTITY, 1, "Create", _webhook),
    "callward.ingest.v1.WebhookChanged": Shape(ENTITY, 3, "Update", _webhook),
    "callward.ingest.v1.WebhookRemoved": Shape(ENTITY, 4, "Delete", _webhook),
    "callward.ingest.v1.WebhookDisabled": Shape(ENTITY, 9, "Disable", _webhook),
    "callward.keys.v1.KeyIssued": Shape(DATASTORE, 9, "Encrypt", _key),
    "callward.keys.v1.KeySealed": Shape(DATASTORE, 9, "Encrypt", _key),
    "callward.keys.v1.KeyShredPending": Shape(DATASTORE, 7, "Delete", _key),
    "callward.keys.v1.KeyOpened": Shape(DATASTORE, 10, "Decrypt", _key),
    "callward.keys.v1.KeyRefused": Shape(DATASTORE, 10, "Decrypt", _key, failure=True),
    "callward.keys.v1.DocumentSigned": Shape(API, 1, "Create", _operation),
    "callward.retention.v1.RetentionPlanned": Shape(ENTITY, 3, "Update", _call),
}


def demand_shape(event_type: str) -> Shape:
    """Return where a type of event stands in OCSF. Raises UnmappedEvent for one that has no shape."""
    shape = SHAPES.get(event_type)
    if shape is None:
        raise UnmappedEvent(f"the event type {event_type} has no place in OCSF yet")
    return shape


def encode(fact: Fact, *, log: str, index: int) -> bytes:
    """Return the exact bytes of the event's leaf: JSON in UTF-8 with sorted keys. Raises UnmappedEvent."""
    document = to_ocsf(fact, log=log, index=index)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def to_ocsf(fact: Fact, *, log: str, index: int) -> dict[str, Any]:
    """Return the event as an OCSF document. Raises UnmappedEvent for a type that has no shape."""
    shape = demand_shape(fact.type)
    activity_id, activity_name = _activity(fact, shape)
    return {
        "activity_id": activity_id,
        "activity_name": activity_name,
        "actor": _actor(fact),
        "category_uid": shape.class_uid // 1000,
        "class_uid": shape.class_uid,
        "metadata": _metadata(fact, log, index),
        "severity_id": MEDIUM if shape.failure else INFORMATIONAL,
        "src_endpoint": {"name": fact.producer, "svc_name": f"callward-{fact.producer}"},
        "status_id": FAILURE if shape.failure else SUCCESS,
        "time": _milliseconds(fact.occurred_at),
        "type_uid": shape.class_uid * 100 + activity_id,
        "unmapped": {"callward": dict(fact.fields)},
        **shape.objects(fact),
    }


def _activity(fact: Fact, shape: Shape) -> tuple[int, str]:
    if fact.type == "callward.access.v1.AccessGranted":
        return _ACTS.get(str(fact.fields.get("action")), (99, "Other"))
    return shape.activity_id, shape.activity_name


def _metadata(fact: Fact, log: str, index: int) -> dict[str, Any]:
    return {
        "event_code": fact.type,
        "log_name": log,
        "original_time": fact.occurred_at.isoformat(),
        "product": {"name": VENDOR, "vendor_name": VENDOR},
        "sequence": index,
        "tenant_uid": fact.tenant_id,
        "uid": fact.event_id,
        "version": OCSF_VERSION,
    }


def _actor(fact: Fact) -> dict[str, Any]:
    actor = fact.fields.get("actor") or {}
    kind = str(actor.get("kind", "ACTOR_KIND_ANONYMOUS"))
    identity = str(actor.get("id", ""))
    if kind == "ACTOR_KIND_SERVICE":
        return {"app_name": identity, "user": {"type_id": _USER_TYPES[kind], "uid": identity}}
    user: dict[str, Any] = {"type_id": _USER_TYPES.get(kind, 0), "uid": identity or "anonymous"}
    if actor.get("issuer"):
        user["domain"] = actor["issuer"]
    return {"user": user}


def _milliseconds(moment: datetime) -> int:
    # In integers: a float of seconds does not hold every millisecond.
    return (moment - _EPOCH) // timedelta(milliseconds=1)
