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
from callward_ingest.domain.layouts import LayoutReader
from callward_ingest.domain.masking import Masker, MaskingReport
from callward_ingest.domain.media import MediaReport
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.domain.recordings import ORIGINAL, Part
from callward_ingest.domain.uploads import Upload
from callward_ingest.ports import MaskIntervals, MaskWatch, MediaReader, MediaReaders, StoredMedia, Units


class Session:
    """Reads the bytes of one upload as they pass: digest of what was sent, silence, measurements of what is stored."""

    def __init__(
        self,
        reader: MediaReader,
        layout: LayoutReader,
        masker: Masker,
        watch: MaskWatch,
        *,
        digest: bool,
    ) -> None:
        """`digest`: whether the SHA-256 of the whole is wanted."""
        self._reader, self._layout, self._masker, self._watch = reader, layout, masker, watch
        self._digest = hashlib.sha256() if digest else None
        self._unverifiable = False
        self.position = 0
        self.touched = 0.0

    @property
    def digest(self) -> bytes | None:
        """The SHA-256 of all bytes as they were sent, where it is wanted and still known."""
        return None if self._digest is None or self._unverifiable else self._digest.digest()

    @property
    def digests(self) -> bool:
        """True where the digest of the whole is made."""
        return self._digest is not None

    @property
    def unverifiable(self) -> bool:
        """True where a digest is wanted and cannot be known any more: what was sent is not what is stored."""
        return self._digest is not None and self._unverifiable

    async def take(self, chunk: bytes) -> bytes:
        """Takes the next bytes as sent; returns those to be stored."""
        self.position += len(chunk)
        if self._digest is not None:
            self._digest.update(chunk)
        await self._watch.refresh()
        self._layout.feed(chunk)
        kept = self._masker.apply(chunk, self._layout.layout)
        await self._reader.feed(kept)
        return kept

    async def resume(self, stored: bytes) -> None:
        """Takes bytes that were stored earlier."""
        self.position += len(stored)
        if self._digest is not None:
            self._digest.update(stored)
        self._layout.feed(stored)
        self._masker.resume(stored, self._layout.layout)
        await self._reader.feed(stored)

    def resumed(self) -> None:
        """Says that all that was stored has been taken: a digest over what was silenced is not that of the sender."""
        self._unverifiable = bool(self._masker.finish().ranges)

    async def finish(self, stored: StoredMedia) -> tuple[MediaReport, MaskingReport]:
        """Returns what was measured of the whole, and what was silenced of it."""
        report = await self._reader.finish_from(stored)
        await self._watch.refresh(force=True)
        return report, self._masker.finish(length=report.facts.length)

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
        masks: MaskIntervals,
        clock: Clock,
        capacity: int = 256,
        idle_seconds: float = 600.0,
    ) -> None:
        self._units, self._objects, self._readers, self._clock = units, objects, readers, clock
        self._masks = masks
        self._capacity, self._idle_seconds = capacity, idle_seconds
        self._kept: OrderedDict[str, Session] = OrderedDict()

    async def take(self, opened: OpenUpload) -> Session:
        """Returns the session of an upload at its offset; one that is not here is made from what is stored."""
        upload = opened.upload
        session = self._kept.pop(upload.upload_id, None)
        fits = session is not None and session.position == upload.received
        if session is not None and fits and (upload.commitment is None or session.digests):
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
        session = await self._new(upload)
        if upload.received == 0:
            return session
        try:
            async with self._units.begin(upload.tenant) as unit:
                parts = await unit.parts.all(upload.upload_id, ORIGINAL)
            for number, part in enumerate(parts):
                async with aclosing(self.plaintext(opened, number, part)) as pieces:
                    async for piece in pieces:
                        await session.resume(piece)
            session.resumed()
        except BaseException:
            await session.close()
            raise
        return session

    async def _new(self, upload: Upload) -> Session:
        watch = await self._masks.watch(upload.tenant, upload.call_id, upload.leg_id)
        started_at = upload.clock_started_at
        masker = Masker(started_at or upload.created_at, watch, clock_stated=started_at is not None)
        declared = parse_media_type(upload.media_type)
        return Session(
            self._readers(declared.media_type, declared.raw),
            LayoutReader(declared.raw),
            masker,
            watch,
            digest=upload.commitment is not None,
        )

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
