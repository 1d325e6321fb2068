"""A door that speaks the draft's protocol from its text alone, keeps what came, and fails when it is told to.

Nothing of Callward is imported: what it signs comes from the RFCs, as the command's other papers do.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration.cli.wire import Broken, Request, Response, WireServer
from tests.support.rfc9162 import root
from tests.unit.cli.papers import ORIGIN, RECEIPT_TYP, Papers, base64url, inclusion

IANA = "https://iana.org/assignments/http-problem-types#"
URN = "urn:callward:problem:"
EVENT = "01934e2c-7c00-7000-8000-00000000000a"


@dataclass
class Held:
    """An upload as the door holds it."""

    upload_id: str
    call: str
    media_type: str
    query: dict[str, list[str]]
    key: str
    length: int | None
    digest: bytes | None
    data: bytearray = field(default_factory=bytearray)
    state: str = "receiving"
    answer: dict[str, Any] | None = None


@dataclass
class Fault:
    """Something that goes wrong once, at the next request of a method, after `after` bytes of its body.

    `status` None: the connection is reset. `keep`: whether what came is kept. `whole`: all is done, only the answer
    is lost.
    """

    method: str
    after: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = URN + "upload-interrupted"
    keep: bool = True
    whole: bool = False


class FakeDoor:
    """The door, an issuer, and what tests look at: requests, bytes, tokens."""

    def __init__(self) -> None:
        self.papers = Papers()
        self.held: dict[str, Held] = {}
        self.faults: deque[Fault] = deque()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.limits = "max-size=2147483648, max-append-size=67108864, max-age=3600"
        self.tokens: set[str] = set()
        self.token_seconds = 3600
        self.issued = 0
        self.state, self.reasons = "sealed", list[str]()
        self.tamper: dict[str, Any] = {}
        self.not_yet = 0
        self.lock = threading.RLock()
        self.server = WireServer(self.handle)
        self._start()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def issuer(self) -> str:
        return f"{self.url}/issuer"

    def restart(self) -> None:
        """Stops listening, and listens on the same port again: what is held stays."""
        port = self.server.server_address[1]
        self.close()
        self.server = WireServer(self.handle, port)
        self._start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _start(self) -> None:
        threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.02), daemon=True).start()

    def the_upload(self) -> Held:
        (held,) = self.held.values()
        return held

    def requests(self, method: str, ending: str = "") -> list[dict[str, str]]:
        return [headers for verb, target, headers in self.seen if verb == method and target.endswith(ending)]

    def handle(self, request: Request) -> Response:
        parts = urlsplit(request.target)
        with self.lock:
            self.seen.append((request.method, parts.path, dict(request.headers)))
        if parts.path.startswith("/issuer"):
            return self._issue(parts.path, request)
        fault = self._fault(request.method)
        if fault is not None and fault.status is not None and fault.after == 0:
            return _problem(fault.status, fault.kind, fault.headers)
        if parts.path == "/.well-known/jwks.json":
            return _json(200, self.papers.keys)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _problem(401, URN + "token-expired")
        names = parts.path.strip("/").split("/")
        if names[:2] == ["v1", "uploads"]:
            return self._upload(request, names[2:], parse_qs(parts.query), fault)
        return self._document(names)

    def _fault(self, method: str) -> Fault | None:
        with self.lock:
            if self.faults and self.faults[0].method == method:
                return self.faults.popleft()
        return None

    def _upload(
        self, request: Request, names: list[str], query: dict[str, list[str]], fault: Fault | None
    ) -> Response:
        if request.method == "POST":
            answer = self._create(request, query)
        else:
            held = self.held.get(names[0])
            if held is None:
                return _problem(404, URN + "upload-not-found")
            if request.method == "GET":
                return _json(200, self._view(held))
            if held.state in {"cancelled", "expired", "failed"}:
                return _problem(410, URN + "upload-ended", state=held.state)
            answer = self._on_upload(request, held, fault)
        if fault is not None and (fault.whole or request.method != "PATCH"):
            raise Broken
        return answer

    def _on_upload(self, request: Request, held: Held, fault: Fault | None) -> Response:
        if request.method == "HEAD":
            length = {} if held.length is None else {"Upload-Length": str(held.length)}
            return Response(204, {**self._where(held), **length, "Upload-Limit": self.limits})
        if request.method == "DELETE":
            held.state = "cancelled"
            held.data.clear()
            return Response(204)
        return self._append(request, held, fault)

    def _create(self, request: Request, query: dict[str, list[str]]) -> Response:
        headers = request.headers
        assert headers["upload-draft-interop-version"] == "8"
        assert headers["upload-complete"] == "?0"
        key = headers["idempotency-key"]
        held = next((each for each in self.held.values() if each.key == key), None)
        if held is None:
            digest = headers.get("repr-digest")
            held = Held(
                upload_id=f"01934e2c-7c00-7000-8000-{secrets.token_hex(6)}",
                call=query["call"][0],
                media_type=headers["content-type"],
                query=query,
                key=key,
                length=int(headers["upload-length"]) if "upload-length" in headers else None,
                digest=base64.b64decode(digest.removeprefix("sha-256=:").rstrip(":")) if digest else None,
            )
            self.held[held.upload_id] = held
        if held.answer is not None:
            return _json(
                201, held.answer, {"Upload-Complete": "?1", "Location": f"/v1/recordings/{held.upload_id}"}
            )
        return Response(
            201,
            {"Location": f"/v1/uploads/{held.upload_id}", "Upload-Limit": self.limits, **self._where(held)},
        )

    def _append(self, request: Request, held: Held, fault: Fault | None) -> Response:
        headers = request.headers
        assert headers["content-type"] == "application/partial-upload"
        offset = int(headers["upload-offset"])
        if held.state == "complete":
            return _problem(400, IANA + "completed-upload")
        if offset != len(held.data):
            return _problem(409, IANA + "mismatching-upload-offset", {"Upload-Offset": str(len(held.data))})
        came = bytearray()
        for chunk in request.body:
            came += chunk
            if fault is not None and not fault.whole and len(came) >= fault.after:
                held.data += came[: fault.after] if fault.keep else b""
                if fault.status is None:
                    raise Broken
                return _problem(fault.status, fault.kind, fault.headers)
        held.data += came
        if headers["upload-complete"] == "?0":
            return Response(204, self._where(held))
        return self._complete(held)

    def _complete(self, held: Held) -> Response:
        digest = hashlib.sha256(held.data).digest()
        if held.digest not in {None, digest} or held.length not in {None, len(held.data)}:
            held.state = "failed"
            return _problem(400, URN + "digest-mismatch")
        held.state, held.answer = "complete", self._answer(held)
        return _json(
            201,
            held.answer,
            {
                "Upload-Complete": "?1",
                "Upload-Offset": str(len(held.data)),
                "Location": f"/v1/recordings/{held.upload_id}",
            },
        )

    def _answer(self, held: Held) -> dict[str, Any]:
        manifest, nonce = hashlib.sha256(b"manifest").digest(), secrets.token_bytes(32)
        claims: dict[str, Any] = {
            "recording_id": held.upload_id,
            "call_id": held.call,
            "state": self.state,
            "manifest_sha256": manifest.hex(),
            "event_id": EVENT,
        }
        body: dict[str, Any] = {"recordingId": held.upload_id, "callId": held.call, "state": self.state}
        if held.digest is not None:
            commitment = hashlib.sha256(nonce + held.digest).digest()
            claims["sender_commitment_sha256"] = commitment.hex()
            body |= {"senderCommitment": base64url(commitment), "receiptCommitmentNonce": base64url(nonce)}
        receipt = self.papers.receipts.jws(RECEIPT_TYP, json.dumps(claims).encode())
        return {
            **body,
            "reasons": self.reasons,
            "receipt": receipt,
            "manifestSha256": base64url(manifest),
            "media": {"size": len(held.data)},
            **self.tamper,
        }

    def _where(self, held: Held) -> dict[str, str]:
        return {
            "Upload-Offset": str(len(held.data)),
            "Upload-Complete": "?1" if held.state == "complete" else "?0",
            "Cache-Control": "no-store",
        }

    def _view(self, held: Held) -> dict[str, Any]:
        return {
            "uploadId": held.upload_id,
            "recordingId": held.upload_id,
            "callId": held.call,
            "state": held.state,
            "offset": len(held.data),
            "length": held.length,
            "expiresAt": "2026-12-01T00:00:00.000Z",
            "parts": 1,
            "reason": None,
        }

    def _document(self, names: list[str]) -> Response:
        if names[1] == "calls":
            found = [each for each in self.held.values() if each.call == names[2]]
            recordings = [
                {"recordingId": each.upload_id, "state": self.state, "reasons": []} for each in found
            ]
            return _json(
                200, {"callId": names[2], "decision": {"outcome": "permit"}, "recordings": recordings}
            )
        held = self.held.get(names[2])
        if held is None or held.answer is None:
            return _problem(404, URN + "recording-not-found")
        if names[1] == "receipts":
            if self.not_yet:
                self.not_yet -= 1
                return _problem(404, URN + "proof-not-yet", {"Retry-After": "1"})
            return _json(200, self._proof(held))
        kept = ("recordingId", "callId", "state", "reasons", "receipt", "media")
        return _json(200, {name: held.answer[name] for name in kept})

    def _proof(self, held: Held) -> dict[str, Any]:
        assert held.answer is not None
        digest = hashlib.sha256(held.answer["receipt"].encode()).hexdigest()
        event = json.dumps({"metadata": {"uid": EVENT}, "unmapped": {"callward": {"receipt_sha256": digest}}})
        entries = [b"before", event.encode(), b"after"]
        return {
            "format": "callward-audit-proof/1",
            "log": "2026-0",
            "origin": ORIGIN,
            "leafIndex": 1,
            "treeSize": 3,
            "event": event,
            "inclusionProof": inclusion(entries, 1),
            "checkpoint": self.papers.checkpoints.note(ORIGIN, 3, root(entries)),
        }

    def _issue(self, path: str, request: Request) -> Response:
        if path.endswith("/.well-known/openid-configuration"):
            return _json(200, {"issuer": self.issuer, "token_endpoint": f"{self.issuer}/token"})
        form = parse_qs(b"".join(request.body).decode())
        if form.get("client_secret") != ["the-secret"] or form.get("audience") != ["callward-ingest"]:
            return _json(401, {"error": "invalid_client"})
        self.issued += 1
        token = f"token-{self.issued}"
        self.tokens.add(token)
        return _json(200, {"access_token": token, "expires_in": self.token_seconds})


def _json(status: int, document: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(
        status, {"content-type": "application/json", **(headers or {})}, json.dumps(document).encode()
    )


def _problem(status: int, kind: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    body = {"type": kind, "title": kind, "status": status, "detail": "As the test wants it.", **more}
    return Response(
        status, {"content-type": "application/problem+json", **(headers or {})}, json.dumps(body).encode()
    )
