"""Fingerprints of requests: HMAC-SHA256 under a key of the tenant and day, never a plain hash (sealing.md section 5).

A plain hash of a recording, kept in a table, would let whoever reads the table test a guess of its content.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import date

_REQUEST = b"callward/1/request"
_NONCE = b"callward/1/receipt-nonce"


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """The fingerprint key (32 bytes) of a tenant and a day in UTC."""

    day: date
    key: bytes = field(repr=False)

    def start(self, *parts: str) -> hmac.HMAC:
        """Starts the fingerprint of a request from its operation and whatever else beside the body decides it.

        Each part is length-prefixed, so that no two different requests give the same input.
        """
        mac = hmac.new(self.key, _REQUEST, hashlib.sha256)
        for part in parts:
            data = part.encode()
            mac.update(len(data).to_bytes(4, "big") + data)
        return mac

    def receipt_nonce(self, recording_id: str) -> bytes:
        """Gives r (32 bytes) of a recording's commitment: made again for a replay instead of being stored."""
        return hmac.digest(self.key, _NONCE + b"\0" + recording_id.encode(), "sha256")


def commit_to_digest(nonce: bytes, digest: bytes) -> bytes:
    """Gives SHA-256(r ‖ digest): binds the sender's bytes without publishing their hash."""
    return hashlib.sha256(nonce + digest).digest()


def same_fingerprint(left: bytes, right: bytes) -> bool:
    """Compares two fingerprints in constant time."""
    return hmac.compare_digest(left, right)
