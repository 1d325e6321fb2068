"""The ports to transit: written from key-management's needs, each to be had from Vault's or OpenBao's engine as it is.

Names of keys are [A-Za-z0-9][A-Za-z0-9._-]{0,199}. A wrap is a text "vault:v<version>:<base64>". Every method may
raise TransitUnavailable; then nothing is known of the outcome. TransitKeyMissing: there is no key of that name.
TransitRefused: a key of that name is of another kind, or the request breaks a rule stated here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

#: The most wraps in one rewrap: OpenBao refuses JSON with more than 1,000 strings, keys included.
MAX_REWRAP: Final = 240


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A new data key (32 bytes, never shown) and its wrap."""

    plaintext: bytes = field(repr=False)
    wrap: str


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrap with the context that it is bound to."""

    context: bytes
    wrap: str


@dataclass(frozen=True, slots=True)
class KeyVersions:
    """The versions of a key, from 1. What is below `min_available` is gone, below `min_decryption` refused."""

    latest: int
    min_available: int
    min_decryption: int
    min_encryption: int


@dataclass(frozen=True, slots=True)
class PublicVersion:
    """The public half (Ed25519, 32 bytes) of one version of a signing key."""

    version: int
    public_key: bytes
    created_at: datetime


class BucketKeys(Protocol):
    """Derived keys (AES-256-GCM) that wrap data keys: issuer and opener."""

    async def ensure_bucket_key(self, name: str) -> None:
        """Makes a derived key; does nothing when there is one."""
        ...

    async def generate_data_key(self, name: str, context: bytes) -> GeneratedKey:
        """Makes a data key and wraps it with the latest version, derived with the context."""
        ...

    async def unwrap(self, name: str, context: bytes, wrap: str) -> bytes:
        """Opens a wrap (32 bytes). Raises WrapRefused with its reason."""
        ...


class BucketKeyAdmin(Protocol):
    """What rotation and destruction do to bucket keys: the destroyer."""

    async def rotate(self, name: str) -> KeyVersions:
        """Adds a version, which is the latest from here on."""
        ...

    async def rewrap(self, name: str, wraps: Sequence[WrappedKey]) -> Sequence[str]:
        """Wraps anew with the latest version under the same contexts: at most MAX_REWRAP, in order, all or none.

        Raises WrapRefused with the index of the first that does not open. Nothing of transit changes.
        """
        ...

    async def versions(self, name: str) -> KeyVersions:
        """Returns the versions as they are now."""
        ...

    async def set_minimum(self, name: str, version: int) -> KeyVersions:
        """Sets the minimum decryption and encryption version to one that is available. Can be undone until `trim`."""
        ...

    async def trim(self, name: str, version: int) -> KeyVersions:
        """Destroys every version below `version`, which is at most the two minimum versions. Cannot be undone."""
        ...


class BucketKeyRemoval(Protocol):
    """The end of a whole bucket."""

    async def delete_bucket_key(self, name: str) -> None:
        """Destroys a bucket key with all its versions; a missing one is fine."""
        ...


class SigningKeys(Protocol):
    """Ed25519 keys, one per document type. Their versions are never trimmed."""

    async def ensure_signing_key(self, name: str) -> None:
        """Makes a signing key; does nothing when there is one."""
        ...

    async def sign(self, name: str, version: int, message: bytes) -> bytes:
        """Signs with one version (RFC 8032, 64 bytes)."""
        ...

    async def public_keys(self, name: str) -> Sequence[PublicVersion]:
        """Returns the public halves of all versions, in order."""
        ...


class Pseudonyms(Protocol):
    """HMAC keys. They have one version for good: what was found under a pseudonym has to stay findable."""

    async def ensure_hmac_key(self, name: str) -> None:
        """Makes an HMAC key; does nothing when there is one."""
        ...

    async def hmac(self, name: str, messages: Sequence[bytes]) -> Sequence[bytes]:
        """Returns HMAC-SHA-256 (RFC 2104, 32 bytes) of each message, in order; at most MAX_REWRAP messages."""
        ...


class Transit(BucketKeys, SigningKeys, Pseudonyms, Protocol):
    """What the service works with; rotation and destruction take the other ports."""
