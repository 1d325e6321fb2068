"""One body as it comes in: bounded, fingerprinted and checked against the digests that its sender stated."""

import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

from callward_ingest.domain.errors import BodyTooLarge, DigestMismatch


@dataclass(frozen=True, slots=True)
class StatedDigests:
    """The SHA-256 digests (32 bytes each) that the sender stated, None where it stated none (RFC 9530)."""

    content: bytes | None = None
    representation: bytes | None = None


class Intake:
    """Reads a body once, chunk by chunk. Nothing of it is kept but its size, fingerprint and digest."""

    def __init__(
        self, body: AsyncIterable[bytes], *, limit: int, fingerprint: hmac.HMAC, stated: StatedDigests
    ) -> None:
        """`limit` in bytes: one byte more raises BodyTooLarge. A digest is computed only when one was stated."""
        self._body = body
        self._limit = limit
        self._fingerprint = fingerprint
        self._stated = stated
        wanted = stated.content is not None or stated.representation is not None
        self._digest = hashlib.sha256() if wanted else None
        self.size = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the body's chunks; after the last one raises DigestMismatch unless the stated digests fit."""
        async for chunk in self._body:
            self.size += len(chunk)
            if self.size > self._limit:
                raise body_too_large(self._limit)
            self._fingerprint.update(chunk)
            if self._digest is not None:
                self._digest.update(chunk)
            yield chunk
        self._compare()

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint (32 bytes) of what was read so far."""
        return self._fingerprint.digest()

    def _compare(self) -> None:
        if self._digest is None:
            return
        found = self._digest.digest()
        for header, stated in (
            ("Content-Digest", self._stated.content),
            ("Repr-Digest", self._stated.representation),
        ):
            if stated is not None and not hmac.compare_digest(stated, found):
                raise DigestMismatch(
                    f"The body does not have the digest stated in {header}.", extra={"header": header}
                )


def body_too_large(limit: int) -> BodyTooLarge:
    """Gives the error for a body of more than `limit` bytes."""
    return BodyTooLarge(f"The body is larger than {limit} bytes.", extra={"limit": limit})
