"""The signing keys as documents name them: a transit key per document type, each version with an id and a history."""

import base64
from collections.abc import Sequence

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_keys.domain.documents import DocumentType, PublicKey, thumbprint
from callward_keys.ports import PublicKeys, SigningKeys

MAX_PAGE = 100
_THUMBPRINT_BYTES = 32
#: How long a rotation may go unseen. Harmless: an older version signs as validly as the newest.
_REFRESH_SECONDS = 60.0


class SigningKeyring:
    """Knows which version of which transit key signs, and keeps the history of public halves."""

    def __init__(self, transit: SigningKeys, history: PublicKeys, clock: Clock) -> None:
        self._transit, self._history, self._clock = transit, history, clock
        self._seen: dict[DocumentType, tuple[float, Sequence[PublicKey]]] = {}

    async def current(self, document_type: DocumentType) -> PublicKey:
        """Returns the newest key of a type, made when there is none. Its public half is on record before it signs."""
        return (await self._of(document_type))[-1]

    async def sign(self, key: PublicKey, message: bytes) -> bytes:
        """Signs with a key (Ed25519, 64 bytes)."""
        return await self._transit.sign(key.document_type.transit_key, key.version, message)

    async def ensure(self) -> None:
        """Makes what is missing, so that every type's key is in the directory before the first document."""
        for document_type in DocumentType:
            await self._of(document_type)

    async def page(self, size: int, token: str) -> tuple[Sequence[PublicKey], str]:
        """Returns a page of the history, newest first, and the token of the next one (empty at the end)."""
        if size < 0:
            raise InvalidRequest("page_size is negative.")
        await self.ensure()
        wanted = min(size or MAX_PAGE, MAX_PAGE)
        found = await self._history.page(wanted + 1, _demand_token(token) or None)
        return found[:wanted], found[wanted - 1].key_id if len(found) > wanted else ""

    async def _of(self, document_type: DocumentType) -> Sequence[PublicKey]:
        seen_at, keys = self._seen.get(document_type, (float("-inf"), ()))
        now = self._clock.monotonic()
        if now - seen_at > _REFRESH_SECONDS:
            keys = await self._read(document_type)
            await self._history.add(keys)
            self._seen[document_type] = (now, keys)
        return keys

    async def _read(self, document_type: DocumentType) -> Sequence[PublicKey]:
        name = document_type.transit_key
        await self._transit.ensure_signing_key(name)
        return [
            PublicKey(
                thumbprint(version.public_key),
                document_type,
                version.version,
                version.public_key,
                version.created_at,
            )
            for version in await self._transit.public_keys(name)
        ]


def _demand_token(token: str) -> str:
    try:
        decoded = (
            base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) if token else b"\0" * _THUMBPRINT_BYTES
        )
    except ValueError:
        decoded = b""
    if len(decoded) != _THUMBPRINT_BYTES:
        raise InvalidRequest("page_token is not one of this list.")
    return token
