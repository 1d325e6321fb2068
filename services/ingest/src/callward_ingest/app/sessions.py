"""What has been learnt of an upload's bytes while they passed: kept between appends, learnt anew when it is lost."""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing

from callward_common.clock import Clock
from callward_crypto.keys import associated_data
from callward_crypto.streaming import StreamDecryptor, decrypt_range
from callward_ingest.app.objects import Objects
from callward_ingest.app.upload import OpenUpload
from callward_ingest.domain.media import MediaReport
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.domain.recordings import ORIGINAL, Part
from callward_ingest.domain.uploads import Upload
from callward_ingest.ports import MediaReader, MediaReaders, Units


class Session:
    """Reads the bytes of one upload as they pass: digest of what was sent, measurements of what is stored."""

    def __init__(self, reader: MediaReader, *, digest: bool) -> None:
        """`digest`: whether the SHA-256 of the whole is wanted."""
        self._reader = reader
        self._digest = hashlib.sha256() if digest else None
        self.position = 0
        self.touched = 0.0

    @property
    def digest(self) -> bytes | None:
        """The SHA-256 of all bytes so far, where it is wanted."""
        return None if self._digest is None else self._digest.digest()

    async def take(self, chunk: bytes) -> bytes:
        """Takes the next bytes as sent; returns those to be stored."""
        self.position += len(chunk)
        if self._digest is not None:
            self._digest.update(chunk)
        await self._reader.feed(chunk)
        return chunk

    async def finish(self) -> MediaReport:
        """Returns what was measured of the whole."""
        return await self._reader.finish()

    async def close(self) -> None:
        """Lets go of the decoder."""
        await self._reader.close()


class Sessions:
    """The sessions of uploads that are between two appends; the longest untouched are let go first."""

    def __init__(
        self,
        *,
        units: Units,
        objects: Objects,
        readers: MediaReaders,
        clock: Clock,
        capacity: int = 256,
        idle_seconds: float = 600.0,
    ) -> None:
        self._units, self._objects, self._readers, self._clock = units, objects, readers, clock
        self._capacity, self._idle_seconds = capacity, idle_seconds
        self._kept: OrderedDict[str, Session] = OrderedDict()

    async def take(self, opened: OpenUpload) -> Session:
        """Returns the session of an upload at its offset; one that is not here is made from what is stored."""
        upload = opened.upload
        session = self._kept.pop(upload.upload_id, None)
        if session is not None and session.position == upload.received:
            return session
        if session is not None:
            await session.close()
        return await self._learn(opened)

    async def keep(self, upload: Upload, session: Session) -> None:
        """Keeps a session for the next append."""
        session.touched = self._clock.monotonic()
        self._kept[upload.upload_id] = session
        while len(self._kept) > self._capacity:
            _, oldest = self._kept.popitem(last=False)
            await oldest.close()

    async def drop(self, upload_id: str) -> None:
        """Lets go of the session of an upload, if there is one."""
        session = self._kept.pop(upload_id, None)
        if session is not None:
            await session.close()

    async def drop_idle(self) -> None:
        """Lets go of sessions that nobody came back for."""
        horizon = self._clock.monotonic() - self._idle_seconds
        for upload_id in [each for each, session in self._kept.items() if session.touched < horizon]:
            await self.drop(upload_id)

    async def close(self) -> None:
        """Lets go of all."""
        for upload_id in list(self._kept):
            await self.drop(upload_id)

    async def _learn(self, opened: OpenUpload) -> Session:
        upload = opened.upload
        declared = parse_media_type(upload.media_type)
        reader = self._readers(declared.media_type, declared.raw)
        session = Session(reader, digest=upload.commitment is not None)
        if upload.received == 0:
            return session
        try:
            async with self._units.begin(upload.tenant) as unit:
                parts = await unit.parts.all(upload.upload_id, ORIGINAL)
            for number, part in enumerate(parts):
                async with aclosing(self.plaintext(opened, number, part)) as pieces:
                    async for piece in pieces:
                        await session.take(piece)
        except BaseException:
            await session.close()
            raise
        return session

    async def plaintext(self, opened: OpenUpload, number: int, part: Part) -> AsyncGenerator[bytes, None]:
        """Yields what a part was sealed from: ingest has the key while the upload is open."""
        if part.plaintext_size == 0:
            return
        upload = opened.upload
        bound = associated_data(upload.tenant, upload.upload_id, ORIGINAL, number)
        decryptor = StreamDecryptor(opened.data_key.subkey, bound, part.header, part.ciphertext_size)
        plan = decryptor.plan(0, part.plaintext_size)
        async with aclosing(decrypt_range(decryptor, self._objects.read(part), plan)) as pieces:
            async for piece in pieces:
                yield piece
