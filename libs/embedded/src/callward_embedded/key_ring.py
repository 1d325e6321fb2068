"""The local key ring: the transit ports of key-management for the embedded platform, with transit's semantics."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callward_common.clock import Clock, SystemClock
from callward_embedded.key_ring_files import KeyFiles, KeyKind, RingDamaged, RingKey, Version
from callward_embedded.key_ring_wraps import DATA_KEY_BYTES, unwrap, wrap
from callward_embedded.threads import Threads
from callward_keys.domain.errors import (
    TransitKeyMissing,
    TransitRefused,
    TransitUnavailable,
    WrapRefused,
)
from callward_keys.ports import MAX_REWRAP, GeneratedKey, KeyVersions, PublicVersion, WrappedKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_THREADS: Final = 2

T = TypeVar("T")


class LocalTransit:
    """BucketKeys, BucketKeyAdmin, BucketKeyRemoval, SigningKeys and Pseudonyms over files in one folder.

    The folder is touched when the first key is needed. Files and ciphers run in at most two threads. Whoever can read
    the folder has every key: it is for development and demonstrations, and says so where the platform starts.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """`folder` is the ring's alone; `clock` dates the versions."""
        self._files = KeyFiles(folder)
        self._clock = clock or SystemClock()
        self._threads = Threads(_THREADS)

    async def close(self) -> None:
        """Waits for what is under way and ends the threads. What was answered is durable with or without it."""
        self._threads.close()

    # BucketKeys

    async def ensure_bucket_key(self, name: str) -> None:
        """Makes a derived key; does nothing when there is one."""
        await self._run(self._ensure, name, KeyKind.bucket)

    async def generate_data_key(self, name: str, context: bytes) -> GeneratedKey:
        """Makes a data key and wraps it with the latest version, derived with the context."""

        def generate() -> GeneratedKey:
            plaintext = secrets.token_bytes(DATA_KEY_BYTES)
            return GeneratedKey(plaintext, wrap(self._load(name, KeyKind.bucket), context, plaintext))

        return await self._run(generate)

    async def unwrap(self, name: str, context: bytes, wrap: str) -> bytes:
        """Opens a wrap. Raises WrapRefused with its reason."""
        return await self._run(lambda: unwrap(self._load(name, KeyKind.bucket), context, wrap))

    # BucketKeyAdmin

    async def rotate(self, name: str) -> KeyVersions:
        """Adds a version, which is the latest from here on."""
        return await self._change(name, lambda key: key.rotated(self._new_version()))

    async def rewrap(self, name: str, wraps: Sequence[WrappedKey]) -> Sequence[str]:
        """Wraps anew with the latest version under the same contexts: at most MAX_REWRAP, in order, all or none."""
        _demand_batch(len(wraps))

        def rewrap() -> Sequence[str]:
            key = self._load(name, KeyKind.bucket)
            made = []
            for index, item in enumerate(wraps):
                try:
                    made.append(wrap(key, item.context, unwrap(key, item.context, item.wrap)))
                except WrapRefused as refused:
                    raise WrapRefused(refused.reason, index=index) from None
            return made

        return await self._run(rewrap)

    async def versions(self, name: str) -> KeyVersions:
        """Returns the versions as they are on disk now."""
        return await self._run(lambda: _versions(self._load(name, KeyKind.bucket)))

    async def set_minimum(self, name: str, version: int) -> KeyVersions:
        """Sets the minimum decryption and encryption version. Can be undone until `trim`."""

        def step(key: RingKey) -> RingKey:
            if not key.min_available <= version <= key.latest:
                raise TransitRefused("A minimum version is not one that is available.")
            if key.min_decryption == key.min_encryption == version:
                return key
            return replace(key, min_decryption=version, min_encryption=version)

        return await self._change(name, step)

    async def trim(self, name: str, version: int) -> KeyVersions:
        """Takes every version below `version` out of the file. See key_ring_files for what a file system keeps."""

        def step(key: RingKey) -> RingKey:
            if version < key.min_available:
                raise TransitRefused("The minimum available version is never lowered.")
            if version > min(key.min_decryption, key.min_encryption):
                raise TransitRefused("What is above a minimum version is not trimmed.")
            return key if version == key.min_available else key.trimmed(version)

        return await self._change(name, step)

    # BucketKeyRemoval

    async def delete_bucket_key(self, name: str) -> None:
        """Removes a bucket key's file; a missing one is fine."""

        def step(key: RingKey | None) -> None:
            if key is not None:
                _demand_kind(key, KeyKind.bucket)

        await self._run(self._files.change, _checked(name), step)

    # SigningKeys

    async def ensure_signing_key(self, name: str) -> None:
        """Makes a signing key; does nothing when there is one."""
        await self._run(self._ensure, name, KeyKind.signing)

    async def sign(self, name: str, version: int, message: bytes) -> bytes:
        """Signs with one version (RFC 8032, 64 bytes)."""

        def sign() -> bytes:
            versions = self._load(name, KeyKind.signing).versions
            if version not in versions:
                raise TransitRefused("The signing key has no such version.")
            return Ed25519PrivateKey.from_private_bytes(versions[version].secret).sign(message)

        return await self._run(sign)

    async def public_keys(self, name: str) -> Sequence[PublicVersion]:
        """Returns the public halves of all versions, in order."""

        def public() -> Sequence[PublicVersion]:
            versions = self._load(name, KeyKind.signing).versions
            return [
                PublicVersion(number, _public(versions[number]), versions[number].created_at)
                for number in sorted(versions)
            ]

        return await self._run(public)

    # Pseudonyms

    async def ensure_hmac_key(self, name: str) -> None:
        """Makes an HMAC key; does nothing when there is one."""
        await self._run(self._ensure, name, KeyKind.hmac)

    async def hmac(self, name: str, messages: Sequence[bytes]) -> Sequence[bytes]:
        """Returns HMAC-SHA-256 of each message, in order."""
        _demand_batch(len(messages))

        def digests() -> Sequence[bytes]:
            secret = self._load(name, KeyKind.hmac).versions[1].secret
            return [hmac.digest(secret, message, hashlib.sha256) for message in messages]

        return await self._run(digests)

    # Rotation of signing keys; those of documents are rotated by an operator

    async def rotate_signing_key(self, name: str) -> None:
        """Adds a version to a signing key; older ones stay, and what they signed stays valid."""
        await self._change(name, lambda key: key.rotated(self._new_version()), KeyKind.signing)

    def _ensure(self, name: str, kind: KeyKind) -> None:
        def step(key: RingKey | None) -> RingKey:
            if key is None:
                return RingKey(name, kind, {1: self._new_version()}, latest=1)
            _demand_kind(key, kind)
            return key

        if self._files.load(_checked(name)) is None:
            self._files.change(name, step)
        else:
            self._load(name, kind)

    def _load(self, name: str, kind: KeyKind) -> RingKey:
        key = self._files.load(_checked(name))
        if key is None:
            raise TransitKeyMissing("The key ring has no such key.")
        _demand_kind(key, kind)
        return key

    def _new_version(self) -> Version:
        return Version(secrets.token_bytes(32), self._clock.now())

    async def _change(
        self, name: str, step: Callable[[RingKey], RingKey], kind: KeyKind = KeyKind.bucket
    ) -> KeyVersions:
        def checked(key: RingKey | None) -> RingKey:
            if key is None:
                raise TransitKeyMissing("The key ring has no such key.")
            _demand_kind(key, kind)
            return step(key)

        changed = await self._run(self._files.change, _checked(name), checked)
        assert changed is not None
        return _versions(changed)

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        try:
            return await self._threads.run(lambda: function(*arguments))
        except (OSError, RingDamaged) as error:
            raise TransitUnavailable("The key ring cannot be read or written.", retry_after=1.0) from error


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise TransitRefused("The name of a key is malformed.")
    return name


def _demand_kind(key: RingKey, kind: KeyKind) -> None:
    if key.kind is not kind:
        raise TransitRefused("The key of this name is of another kind.")


def _demand_batch(size: int) -> None:
    if size > MAX_REWRAP:
        raise TransitRefused(f"A batch has at most {MAX_REWRAP} items.")


def _public(version: Version) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(version.secret).public_key().public_bytes_raw()


def _versions(key: RingKey) -> KeyVersions:
    return KeyVersions(key.latest, key.min_available, key.min_decryption, key.min_encryption)
