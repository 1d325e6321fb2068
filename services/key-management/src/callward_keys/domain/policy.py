"""The rules of data keys as pure functions. Sources: sealing.md section 2."""

import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

from callward_common.errors import InvalidRequest
from callward_keys.domain.errors import (
    CommitmentMismatch,
    KeyAlreadySealed,
    KeyExpired,
    KeyNotFound,
    KeyNotSealed,
    KeyShredded,
    ManifestConflict,
    WrongUploadSecret,
)
from callward_keys.domain.model import HASH_BYTES, BucketGroup, DataKey, KeyState

MAX_SECRET_BYTES = 1024
_REASON = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def bucket_transit_key(tenant_id: str, group: BucketGroup, number: int) -> str:
    """Gives the name of a bucket's transit key: one per (tenant, retention class, expiry month, number)."""
    return f"bucket.{tenant_id}.{group.retention_class}.{group.expiry_month}.{number}"


def demand_sha256(value: bytes, name: str) -> bytes:
    """Returns a SHA-256, or raises InvalidRequest for another length."""
    if len(value) != HASH_BYTES:
        raise InvalidRequest(f"{name} is not {HASH_BYTES} bytes long.")
    return value


def demand_reason(code: str) -> str:
    """Returns a stable code, or raises InvalidRequest."""
    if _REASON.fullmatch(code) is None:
        raise InvalidRequest("reason is not a code of lower-case letters, digits and '-', at most 64.")
    return code


def demand_secret(key: DataKey, secret: bytes) -> None:
    """Raises WrongUploadSecret unless the secret is the upload's. Takes as long for a wrong one as for the right."""
    if not 0 < len(secret) <= MAX_SECRET_BYTES:
        raise InvalidRequest(f"upload_secret is empty or longer than {MAX_SECRET_BYTES} bytes.")
    if not hmac.compare_digest(hashlib.sha256(secret).digest(), key.upload_secret_sha256):
        raise WrongUploadSecret("The secret is not the one of this upload.")


def demand_found(key: DataKey | None) -> DataKey:
    """Returns the key, or raises KeyNotFound."""
    if key is None:
        raise KeyNotFound("The tenant has no key for this subject.")
    return key


def demand_open(key: DataKey, now: datetime) -> None:
    """Raises unless the key is open and its limit on our clock has not passed."""
    if key.state is KeyState.sealed:
        raise KeyAlreadySealed("The key is sealed.")
    if key.state is not KeyState.open:
        raise KeyShredded("The key was given up.")
    if now > key.open_until:
        raise KeyExpired("The time in which the key could be issued again or sealed is over.")


def demand_sealed(key: DataKey) -> None:
    """Raises unless the key is sealed: only what is complete and not marked for destruction opens."""
    if key.state is KeyState.open:
        raise KeyNotSealed("The key is not sealed.")
    if key.state is not KeyState.sealed:
        raise KeyShredded("The key is marked for destruction or destroyed.")


def sealed_before(key: DataKey, manifest_sha256: bytes) -> datetime | None:
    """Gives when a key was sealed with this hash, None when it is open. Raises ManifestConflict for another hash."""
    if key.state is not KeyState.sealed:
        return None
    if key.manifest_sha256 != manifest_sha256 or key.sealed_at is None:
        raise ManifestConflict("The key was sealed with another manifest.")
    return key.sealed_at


def seal(key: DataKey, manifest_sha256: bytes, wrap_version: str, now: datetime) -> DataKey:
    """Gives the sealed key."""
    return replace(
        key, state=KeyState.sealed, manifest_sha256=manifest_sha256, wrap_version=wrap_version, sealed_at=now
    )


def abandon(key: DataKey, reason: str) -> DataKey | None:
    """Gives the key marked for destruction, None when it is so already. Late is fine: this only closes a key."""
    if key.state is KeyState.sealed:
        raise KeyAlreadySealed("A sealed key is not given up.")
    if key.state is not KeyState.open:
        return None
    return replace(key, state=KeyState.shred_pending, shred_reason=demand_reason(reason))


def opened(key: DataKey, now: datetime) -> DataKey:
    """Gives the key with the moment of its last opening; that never goes back."""
    return replace(key, last_opened_at=now if key.last_opened_at is None else max(now, key.last_opened_at))


def demand_commitment(key: DataKey, commitment: bytes) -> None:
    """Raises CommitmentMismatch unless the opened key is the committed one."""
    if not hmac.compare_digest(commitment, key.commitment):
        raise CommitmentMismatch("The stored wrap is not the one of the committed key.")


def wrap_object_key(key: DataKey) -> str:
    """Gives the key of a wrap object: it says nothing about tenant, subject or time."""
    parts = (
        "callward/1/wrap",
        key.subject.tenant_id,
        key.subject.kind.value,
        key.subject.subject_id,
        key.key_id,
    )
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"wraps/{digest}"


def wrap_object(key: DataKey) -> bytes:
    """Gives the bytes of a wrap object. They follow from the key alone, so a retry finds what it wrote before."""
    facts = {
        "format": "callward/1/wrap",
        "tenant_id": key.subject.tenant_id,
        "subject_kind": key.subject.kind.value,
        "subject_id": key.subject.subject_id,
        "key_id": key.key_id,
        "transit_key": key.transit_key,
        "wrap": key.wrap,
        "commitment": key.commitment.hex(),
        "not_before": key.not_before.astimezone(UTC).isoformat(),
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
