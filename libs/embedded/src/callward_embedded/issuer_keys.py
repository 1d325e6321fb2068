"""The signing keys of the loopback issuer: one for each of its issuers, kept so that tokens survive a restart."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from callward_common.ids import new_id
from callward_embedded.files import private_folder, write_durably

ALGORITHM: Final = "ES256"


class IssuerKey:
    """An ES256 key in a file of its owner's alone."""

    def __init__(self, file: Path) -> None:
        """Reads the key, or makes it."""
        if not file.exists():
            private_folder(file.parent)
            made = ECKey.generate_key("P-256", {"kid": new_id(), "use": "sig", "alg": ALGORITHM})
            write_durably(file, json.dumps(made.as_dict(private=True)).encode())
        self._key = ECKey.import_key(json.loads(file.read_bytes()))

    def public_set(self) -> Mapping[str, Any]:
        """Returns the key set that verifiers fetch (RFC 7517)."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def sign(self, claims: Mapping[str, Any], token_type: str) -> str:
        """Returns a signed token (RFC 7515, compact). `token_type` is its "typ"."""
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": token_type}
        return jwt.encode(header, dict(claims), self._key, [ALGORITHM])
