"""Signatures as Standard Webhooks 1.0.0 has them: symmetric, HMAC-SHA256, identifier v1."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix is public
SECRET_BYTES = 32


def shown_secret(secret: bytes) -> str:
    """Gives a secret (24 to 64 bytes) as its receiver stores it: whsec_ and base64."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(secrets: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Gives webhook-id, webhook-timestamp (of the attempt, in seconds) and a signature by each of the secrets."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = (
        base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets
    )
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
