"""Documents as Callward gives them out, made from the RFCs alone: nothing of Callward is imported."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.rfc9162 import leaf, root

ORIGIN = "callward.test/logs/2026-0"
EVENT_ID = "01934e2c-7c00-7000-8000-00000000000a"
RECEIPT_TYP = "callward-receipt+jwt"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(frozen=True)
class Signer:
    """An Ed25519 key that signs one type of document (RFC 8032), from a seed of one byte."""

    document_type: str
    seed: int

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(bytes([self.seed]) * 32)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def kid(self) -> str:
        return f"{self.document_type}-{self.seed}"

    def jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.kid,
            "x": base64url(self.public),
            "callward_document_type": self.document_type,
        }

    def jws(self, typ: str, payload: bytes) -> str:
        """Sign a compact JWS (RFC 7515)."""
        header = json.dumps({"typ": typ, "kid": self.kid, "alg": "EdDSA"}).encode()
        text = f"{base64url(header)}.{base64url(payload)}"
        return f"{text}.{base64url(self.private.sign(text.encode()))}"

    def note(self, origin: str, size: int, root_hash: bytes) -> str:
        """Sign a checkpoint (C2SP signed-note, tlog-checkpoint)."""
        body = f"{origin}\n{size}\n{base64.b64encode(root_hash).decode()}\n"
        key_id = hashlib.sha256(origin.encode() + b"\n\x01" + self.public).digest()[:4]
        blob = base64.b64encode(key_id + self.private.sign(body.encode())).decode()
        return f"{body}\n— {origin} {blob}\n"


def inclusion(entries: Sequence[bytes], index: int) -> list[str]:
    """Make a proof by the recursive definition of RFC 9162 section 2.1.3.1."""
    if len(entries) == 1:
        return []
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    left, right = entries[:split], entries[split:]
    rest, other = (
        (inclusion(left, index), right) if index < split else (inclusion(right, index - split), left)
    )
    return [*rest, base64.b64encode(root(other)).decode()]


@dataclass(frozen=True)
class Papers:
    """A receipt, the proof of its event among seven, and a consistency proof from four leaves to seven."""

    receipts: Signer = Signer("receipt", 1)
    checkpoints: Signer = Signer("checkpoint", 2)
    origin: str = ORIGIN
    claims: dict[str, Any] = field(
        default_factory=lambda: {"event_id": EVENT_ID, "recording_id": "01934e2c-7c00-7000-8000-000000000001"}
    )

    @property
    def keys(self) -> dict[str, Any]:
        return {"keys": [self.receipts.jwk(), self.checkpoints.jwk()]}

    @property
    def receipt(self) -> str:
        return self.receipts.jws(RECEIPT_TYP, json.dumps(self.claims).encode())

    @property
    def event(self) -> str:
        digest = hashlib.sha256(self.receipt.encode()).hexdigest()
        document = {
            "metadata": {
                "uid": EVENT_ID,
                "event_code": "callward.ingest.v1.RecordingSealed",
                "original_time": "2026-11-24T10:00:00+00:00",
            },
            "unmapped": {"callward": {"receipt_sha256": digest}},
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    def entries(self, event: str | None = None) -> list[bytes]:
        return [
            (self.event if event is None else event).encode() if index == 5 else f"event {index}".encode()
            for index in range(7)
        ]

    def proof(self, event: str | None = None) -> dict[str, Any]:
        """Give the proof of an event's inclusion at index 5 of 7, by default the receipt's."""
        entries = self.entries(event)
        return {
            "format": "callward-audit-proof/1",
            "log": "2026-0",
            "origin": self.origin,
            "leafIndex": 5,
            "treeSize": 7,
            "event": self.event if event is None else event,
            "inclusionProof": inclusion(entries, 5),
            "checkpoint": self.checkpoints.note(self.origin, 7, root(entries)),
        }

    def consistency(self) -> dict[str, Any]:
        """Give the proof that the tree of seven extends that of four (RFC 9162 section 2.1.4.1)."""
        entries = self.entries()
        return {
            "format": "callward-consistency-proof/1",
            "origin": self.origin,
            "old": self.checkpoints.note(self.origin, 4, root(entries[:4])),
            "new": self.checkpoints.note(self.origin, 7, root(entries)),
            "consistencyProof": [base64.b64encode(root(entries[4:])).decode()],
        }


def leaf_of(text: str) -> str:
    return base64.b64encode(leaf(text.encode())).decode()
