"""Writing the objects of an upload: noted before they are written, ciphertext only, durable on return."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

from callward_common.clock import Clock
from callward_common.objects.store import ObjectLocks, ObjectStore, StoredObject
from callward_crypto.keys import associated_data
from callward_crypto.streaming import StreamEncryptor
from callward_ingest.domain.recordings import Part
from callward_ingest.domain.uploads import Upload
from callward_ingest.ports import Units


class LockingStore(ObjectStore, ObjectLocks, Protocol):
    """A store that keeps what is sealed from deletion."""


class Objects:
    """Writes parts and sidecars, and removes what is to go."""

    def __init__(self, units: Units, store: LockingStore, clock: Clock) -> None:
        self._units, self._store, self._clock = units, store, clock

    async def write_part(
        self,
        upload: Upload,
        rendition: str,
        number: int,
        key: bytes,
        object_key: str,
        plaintext: AsyncGenerator[bytes, None],
    ) -> Part:
        """Encrypts one stream into one object. One chunk is in memory at a time: a slow store slows the sender down.

        Whatever `plaintext` raises leaves no object behind.
        """
        await self._stage(upload, object_key)
        encryptor = StreamEncryptor(key, associated_data(upload.tenant, upload.upload_id, rendition, number))
        digest = hashlib.sha256()

        async def ciphertext() -> AsyncGenerator[bytes, None]:
            async with aclosing(plaintext) as chunks:
                async for chunk in chunks:
                    piece = encryptor.update(chunk)
                    if piece:
                        digest.update(piece)
                        yield piece
            last = encryptor.finish()
            digest.update(last)
            yield last

        async with aclosing(ciphertext()) as body:
            stored = await self._store.put(object_key, body)
        return Part(
            object_key=stored.key,
            version_id=stored.version_id,
            plaintext_size=encryptor.plaintext_size,
            ciphertext_size=stored.size,
            header=encryptor.header,
            ciphertext_sha256=digest.digest(),
        )

    async def write_sidecar(self, upload: Upload, object_key: str, content: bytes) -> StoredObject:
        """Writes the manifest beside the objects that it describes."""
        await self._stage(upload, object_key)
        return await self._store.put(object_key, _once(content))

    def read(self, part: Part, start: int = 0, stop: int | None = None) -> AsyncIterable[bytes]:
        """Yields the ciphertext of a part, from byte `start` to before `stop`."""
        return self._store.read(part.object_key, part.version_id, start=start, stop=stop)

    async def demand(self, part: Part) -> None:
        """Raises ObjectMissing unless the store has the part."""
        await self._store.stat(part.object_key, part.version_id)

    async def retain(self, key: str, version_id: str, until: datetime) -> None:
        """Forbids the deletion of an object until a moment. Doing it again changes nothing."""
        await self._store.retain(key, version_id, until=until)

    async def remove(self, upload: Upload, object_key: str) -> int:
        """Deletes every version of an object, then forgets it; returns how many there were."""
        # The versions are read first: deleting while listing may skip some.
        found = [each async for each in self._store.versions(object_key) if each.key == object_key]
        for version in found:
            await self._store.delete(version.key, version.version_id)
        async with self._units.begin(upload.tenant) as unit:
            await unit.parts.unstage(object_key)
        return len(found)

    async def _stage(self, upload: Upload, object_key: str) -> None:
        async with self._units.begin(upload.tenant) as unit:
            await unit.parts.stage(upload.upload_id, object_key, self._clock.now())


async def _once(value: bytes) -> AsyncIterator[bytes]:
    yield value
