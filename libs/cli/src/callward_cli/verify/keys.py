"""Public keys out of a JSON Web Key Set (RFC 7517, RFC 8037)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from callward_cli.exits import CommandError, Exit

KEY_SIZE = 32


@dataclass(frozen=True)
class PublicKeys:
    """Ed25519 public keys by id, for each type of document: a receipt's key signs no checkpoint."""

    by_type: Mapping[str, Mapping[str, bytes]]

    def of(self, document_type: str) -> Mapping[str, bytes]:
        """Return the keys that sign a type of document."""
        return self.by_type.get(document_type, {})


def read_keys(document: Any) -> PublicKeys:
    """Return the keys of a key set. Raises CommandError for anything that is not one."""
    found: dict[str, dict[str, bytes]] = {}
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        raise CommandError("the file of public keys is no JSON Web Key Set with keys", Exit.usage)
    for entry in entries:
        key_id, kind, key = _entry(entry)
        found.setdefault(kind, {})[key_id] = key
    return PublicKeys(found)


def _entry(entry: Any) -> tuple[str, str, bytes]:
    if not isinstance(entry, dict) or (entry.get("kty"), entry.get("crv")) != ("OKP", "Ed25519"):
        raise CommandError("a public key is not an Ed25519 key of RFC 8037", Exit.usage)
    key_id, kind, encoded = entry.get("kid"), entry.get("callward_document_type"), entry.get("x")
    if not (isinstance(key_id, str) and isinstance(kind, str) and isinstance(encoded, str)):
        raise CommandError("a public key lacks kid, callward_document_type or x", Exit.usage)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CommandError("a public key is not base64url", Exit.usage) from error
    if len(key) != KEY_SIZE:
        raise CommandError("a public key is not 32 bytes", Exit.usage)
    return key_id, kind, key
