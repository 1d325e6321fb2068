"""One request's body as it comes in: bounded, fingerprinted, and checked against the digest that its sender stated."""

import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterable

from callward_ingest.domain.errors import BodyTooLarge, DigestMismatch

CONTENT_DIGEST, REPR_DIGEST = "Content-Digest", "Repr-Digest"


class Intake:
    """Reads a body once, chunk by chunk. Nothing of it is kept but its size, fingerprint and digest."""

    def __init__(
        self,
        body: AsyncIterable[bytes],
        *,
        limit: int,
        before: int = 0,
        fingerprint: hmac.HMAC | None = None,
        content_digest: bytes | None = None,
    ) -> None:
        """`limit` in bytes, those that came `before` included: one byte more raises BodyTooLarge.

        A digest is computed only when one was stated.
        """
        self._body, self._limit, self._before, self._fingerprint = body, limit, before, fingerprint
        self._stated = content_digest
        self._digest = None if content_digest is None else hashlib.sha256()
        self.size = 0

    @property
    def verifies(self) -> bool:
        """True where nothing may be acknowledged before the end, since only then its digest is known."""
        return self._stated is not None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the body's chunks; after the last one raises DigestMismatch unless the stated digest fits."""
        async for chunk in self._body:
            self.size += len(chunk)
            if self._before + self.size > self._limit:
                raise body_too_large(self._limit)
            if self._fingerprint is not None:
                self._fingerprint.update(chunk)
            if self._digest is not None:
                self._digest.update(chunk)
            yield chunk
        if self._digest is not None and self._stated is not None:
            demand_digest(CONTENT_DIGEST, self._stated, self._digest.digest())

    @property
    def fingerprint(self) -> bytes | None:
        """The fingerprint (32 bytes) of what was read so far, where one is made."""
        return None if self._fingerprint is None else self._fingerprint.digest()


def demand_digest(header: str, stated: bytes, found: bytes) -> None:
    """Raises DigestMismatch unless what was stated in `header` was found."""
    if not hmac.compare_digest(stated, found):
        raise DigestMismatch(
            f"The body does not have the digest stated in {header}.", extra={"header": header}
        )


def body_too_large(limit: int) -> BodyTooLarge:
    """Gives the error for a body of more than `limit` bytes."""
    return BodyTooLarge(f"The body is larger than {limit} bytes.", extra={"limit": limit})
