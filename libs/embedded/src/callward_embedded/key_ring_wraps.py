"""Wraps of the local key ring: AES-256-GCM under a key derived from one version and the context.

A wrap is `vault:v<version>:base64(nonce, 12 B ‖ ciphertext ‖ tag, 16 B)`; its key is HKDF-SHA256 (RFC 5869) of the
version's secret with an empty salt, info = "callward/1/transit/" ‖ context and L = 32.
"""

import base64
import binascii
import re
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callward_embedded.key_ring_files import RingKey, Version
from callward_keys.domain.errors import RefusalReason, TransitRefused, WrapRefused

DATA_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAP = re.compile(r"vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})")
_MAX_CHARACTERS: Final = 1024


def wrap(key: RingKey, context: bytes, plaintext: bytes) -> str:
    """Wraps with the latest version."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + _cipher(key.versions[key.latest], context).encrypt(nonce, plaintext, None)
    return f"vault:v{key.latest}:{base64.b64encode(sealed).decode()}"


def unwrap(key: RingKey, context: bytes, text: str) -> bytes:
    """Opens a wrap, or raises WrapRefused with its reason."""
    number, sealed = _parse(text)
    if number > key.latest:
        raise WrapRefused(RefusalReason.version_unknown)
    if number < key.min_available:
        raise WrapRefused(RefusalReason.version_trimmed)
    if number < key.min_decryption:
        raise WrapRefused(RefusalReason.version_too_old)
    cipher = _cipher(key.versions[number], context)
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except InvalidTag:
        raise WrapRefused(RefusalReason.not_authentic) from None


def _parse(text: str) -> tuple[int, bytes]:
    match = _WRAP.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    try:
        sealed = base64.b64decode(match[2], validate=True) if match is not None else b""
    except binascii.Error:
        sealed = b""
    if match is None or len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise WrapRefused(RefusalReason.malformed)
    return int(match[1]), sealed


def _cipher(version: Version, context: bytes) -> AESGCM:
    if not context:
        raise TransitRefused("A derived key needs a context.")
    info = b"callward/1/transit/" + context
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(version.secret))
