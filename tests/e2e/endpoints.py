"""A valid request for every operation of every door, on things that were just made.

An operation that is missing here fails the tests that walk the OpenAPI documents: none can be forgotten.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from tests.support.audio import wav
from tests.support.doors import HOSPITAL, Callward, Client
from tests.support.journeys import (
    END,
    ENDED,
    PURPOSE,
    REVOCATION,
    STARTED,
    YES,
    answered,
    call_body,
    record,
    session,
)
from tests.support.openapi import Operation
from tests.support.waiting import eventually

Door = Literal["ingest", "access", "audit"]


@dataclass(frozen=True)
class Things:
    """What requests name: all of one tenant. `names` fill the placeholders of paths."""

    names: Mapping[str, str]

    @classmethod
    def made(cls, callward: Callward, tenant: str = HOSPITAL) -> "Things":
        """A call with a recording, a listening session, and the recording's event, which is under a checkpoint."""
        recorded, siem = record(callward, tenant, wav(0.2)), callward.siem(tenant)
        event_id, platform = str(recorded.answer["eventId"]), callward.call_platform(tenant)
        webhook = str(answered(platform.post("/v1/webhooks", json=WEBHOOK), 201)["webhookId"])
        eventually(lambda: siem.get(f"/v1/events/{event_id}/proof").status_code == 200, "the proof")
        return cls(
            {
                "call_id": recorded.call_id,
                "recording_id": recorded.recording_id,
                "session_id": session(callward.person(tenant), recorded.recording_id)["sessionId"],
                "event_id": event_id,
                "log": answered(siem.get("/v1/logs"), 200)["logs"][0]["log"],
                "reconciliation_id": answered(platform.post("/v1/reconciliations", json=PLACED), 201)[
                    "reconciliationId"
                ],
                "upload_id": _upload(platform, recorded.call_id),
                "webhook_id": webhook,
                "delivery_id": str(
                    answered(platform.post(f"/v1/webhooks/{webhook}/test"), 202)["deliveryId"]
                ),
            }
        )


def _upload(platform: Client, call_id: str) -> str:
    """An upload that has begun, without a byte so far."""
    headers = {"Content-Type": "audio/wav", "Upload-Complete": "?0"}
    created = platform.post(f"/v1/uploads?call={call_id}", headers=headers)
    assert created.status_code == 201, created.text
    return created.headers["location"].rpartition("/")[2]


@dataclass(frozen=True)
class Endpoint:
    """How one operation is called rightly, and the status that whoever may call it gets.

    `of_tenant`: the thing it names, by placeholder or query parameter; None when it names nothing of a tenant.
    """

    door: Door
    status: int
    of_tenant: str | None = None
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    audio: bool = False
    headers: Mapping[str, str] | None = None
    public: bool = False
    #: More characters than any body of the operation may have.
    too_long: int = 300_000

    def client(self, callward: Callward, tenant: str = HOSPITAL) -> Client:
        """Whoever may call it."""
        callers: Mapping[Door, Callable[[str], Client]] = {
            "ingest": callward.call_platform,
            "access": callward.person,
            "audit": callward.siem,
        }
        return callers[self.door](tenant)

    def send(
        self,
        client: Client,
        operation: Operation,
        names: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Sends the valid request, about the things named."""
        content: dict[str, Any] = {}
        if self.query:
            content["params"] = {name: value.format_map(names) for name, value in self.query.items()}
        own = {**(self.headers or {}), **(headers or {})}
        if self.body is not None:
            content["content"] = json.dumps(self.body).encode()
            own = {"Content-Type": operation.media_type, **own}
        if self.audio:
            content["content"] = wav(0.2)
            own = {"Content-Type": "audio/wav", "Idempotency-Key": f"on-{names['call_id']}", **own}
        return client.request(
            operation.method.upper(), operation.path.format_map(names), headers=own, **content
        )


#: A receiver that is not there: what is sent to it is listed all the same.
WEBHOOK = {"url": "http://127.0.0.1:1/hook", "events": ["upload.abandoned"], "description": "Ward system"}
#: What a call platform says it placed.
PLACED = {"from": STARTED, "to": ENDED, "calls": [{"externalReference": "crm-1", "startedAt": STARTED}]}
_PURPOSE = {"purpose": PURPOSE}
_APPEND = {"Content-Type": "application/partial-upload", "Upload-Offset": "0", "Upload-Complete": "?0"}
ENDPOINTS: Mapping[str, Endpoint] = {
    "POST /v1/calls": Endpoint("ingest", 201, body=call_body()),
    "GET /v1/calls/{call_id}": Endpoint("ingest", 200, "call_id"),
    "POST /v1/calls/{call_id}/evidence": Endpoint("ingest", 201, "call_id", body=YES),
    "POST /v1/calls/{call_id}/revocations": Endpoint("ingest", 201, "call_id", body=REVOCATION),
    "POST /v1/calls/{call_id}/end": Endpoint("ingest", 200, "call_id", body=END),
    "POST /v1/calls/{call_id}/legs": Endpoint(
        "ingest", 201, "call_id", body={"legId": "agent", "startedAt": STARTED}
    ),
    "GET /v1/calls/{call_id}/legs": Endpoint("ingest", 200, "call_id"),
    "POST /v1/calls/{call_id}/marks": Endpoint(
        "ingest", 201, "call_id", body={"kind": "transfer", "at": STARTED}
    ),
    "GET /v1/calls/{call_id}/marks": Endpoint("ingest", 200, "call_id"),
    "PATCH /v1/calls/{call_id}": Endpoint("ingest", 200, "call_id", body={"notes": "Called back."}),
    "GET /v1/calls/{call_id}/revisions": Endpoint("ingest", 200, "call_id"),
    "POST /v1/reconciliations": Endpoint("ingest", 201, body=PLACED, too_long=4_300_000),
    "GET /v1/reconciliations": Endpoint("ingest", 200),
    "GET /v1/reconciliations/{reconciliation_id}": Endpoint("ingest", 200, "reconciliation_id"),
    "POST /v1/recordings": Endpoint("ingest", 201, "call_id", query={"call": "{call_id}"}, audio=True),
    "POST /v1/uploads": Endpoint(
        "ingest",
        201,
        "call_id",
        query={"call": "{call_id}"},
        audio=True,
        headers={"Upload-Complete": "?1"},
    ),
    "OPTIONS /v1/uploads": Endpoint("ingest", 204),
    "GET /v1/uploads/{upload_id}": Endpoint("ingest", 200, "upload_id"),
    "HEAD /v1/uploads/{upload_id}": Endpoint("ingest", 204, "upload_id"),
    "OPTIONS /v1/uploads/{upload_id}": Endpoint("ingest", 204, "upload_id"),
    "PATCH /v1/uploads/{upload_id}": Endpoint("ingest", 204, "upload_id", headers=_APPEND),
    "DELETE /v1/uploads/{upload_id}": Endpoint("ingest", 204, "upload_id"),
    "GET /v1/recordings/{recording_id}": Endpoint("ingest", 200, "recording_id"),
    "GET /v1/receipts/{recording_id}": Endpoint("ingest", 200, "recording_id"),
    "GET /v1/receipts/{recording_id}/proof": Endpoint("ingest", 200, "recording_id"),
    "POST /v1/webhooks": Endpoint("ingest", 201, body=WEBHOOK),
    "GET /v1/webhooks": Endpoint("ingest", 200),
    "GET /v1/webhooks/{webhook_id}": Endpoint("ingest", 200, "webhook_id"),
    "PATCH /v1/webhooks/{webhook_id}": Endpoint("ingest", 200, "webhook_id", body={"description": "Ward"}),
    "DELETE /v1/webhooks/{webhook_id}": Endpoint("ingest", 204, "webhook_id"),
    "POST /v1/webhooks/{webhook_id}/rotate-secret": Endpoint("ingest", 200, "webhook_id"),
    "POST /v1/webhooks/{webhook_id}/test": Endpoint("ingest", 202, "webhook_id"),
    "GET /v1/webhooks/{webhook_id}/deliveries": Endpoint("ingest", 200, "webhook_id"),
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": Endpoint("ingest", 202, "webhook_id"),
    "POST /v1/webhooks/{webhook_id}/replay": Endpoint(
        "ingest", 202, "webhook_id", body={"state": "dead", "since": STARTED}
    ),
    "GET /.well-known/jwks.json": Endpoint("ingest", 200, public=True),
    "access GET /v1/recordings": Endpoint("access", 200),
    "access GET /v1/recordings/{recording_id}": Endpoint("access", 200, "recording_id"),
    "POST /v1/recordings/{recording_id}/views": Endpoint("access", 200, "recording_id", body=_PURPOSE),
    # Nobody has the right to download: whoever may see the recording is told so.
    "POST /v1/recordings/{recording_id}/downloads": Endpoint("access", 403, "recording_id", body=_PURPOSE),
    "POST /v1/recordings/{recording_id}/listening-sessions": Endpoint(
        "access", 201, "recording_id", body=_PURPOSE
    ),
    "GET /v1/listening-sessions/{session_id}/media": Endpoint("access", 200, "session_id"),
    "HEAD /v1/listening-sessions/{session_id}/media": Endpoint("access", 200, "session_id"),
    "GET /v1/listening-sessions/{session_id}/peaks": Endpoint("access", 200, "session_id"),
    "HEAD /v1/listening-sessions/{session_id}/peaks": Endpoint("access", 200, "session_id"),
    "DELETE /v1/listening-sessions/{session_id}": Endpoint("access", 204, "session_id"),
    "GET /v1/events": Endpoint("audit", 200),
    "GET /v1/events/{event_id}/proof": Endpoint("audit", 200, "event_id"),
    # Logs are common to all tenants: their checkpoints and proofs are hashes.
    "GET /v1/logs": Endpoint("audit", 200),
    "GET /v1/logs/{log}/checkpoint": Endpoint("audit", 200),
    "GET /v1/logs/{log}/inclusion": Endpoint("audit", 200, query={"index": "0", "size": "1"}),
    "GET /v1/logs/{log}/consistency": Endpoint("audit", 200, query={"from": "1", "to": "1"}),
    "audit GET /.well-known/jwks.json": Endpoint("audit", 200, public=True),
}


def endpoint_of(door: Door, operation: Operation) -> Endpoint:
    """Returns how an operation is called. Fails for one that nobody has thought of."""
    found = ENDPOINTS.get(f"{door} {operation.named}") or ENDPOINTS.get(operation.named)
    assert found is not None, f"{operation.named} of {door} is not in tests/e2e/endpoints.py"
    assert found.door == door, f"{operation.named} is known at {found.door}, not at {door}"
    return found
