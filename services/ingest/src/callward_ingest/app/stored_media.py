"""Random access to what was stored of an upload that is still open: decrypted in memory, a segment at a time."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import aclosing
from itertools import accumulate

from callward_crypto.keys import associated_data
from callward_crypto.streaming import StreamDecryptor, decrypt_range
from callward_ingest.app.objects import Objects
from callward_ingest.app.upload import OpenUpload
from callward_ingest.domain.recordings import ORIGINAL, Part


class StoredUpload:
    """A StoredMedia: for media that can be read by seeking alone. Called in a worker thread, it asks the loop."""

    def __init__(
        self, opened: OpenUpload, parts: Sequence[Part], objects: Objects, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._opened, self._parts, self._objects, self._loop = opened, parts, objects, loop
        self._begins = list(accumulate((part.plaintext_size for part in parts), initial=0))

    @property
    def size(self) -> int:
        """The bytes of the whole."""
        return self._begins[-1]

    def read_at(self, offset: int, size: int) -> bytes:
        """Returns at most `size` bytes from `offset`; fewer at the end alone. Raises what the store raises."""
        return asyncio.run_coroutine_threadsafe(self._read(offset, size), self._loop).result()

    async def _read(self, offset: int, size: int) -> bytes:
        stop, found = min(offset + size, self.size), bytearray()
        while offset + len(found) < stop:
            number = bisect_right(self._begins, offset + len(found)) - 1
            start = offset + len(found) - self._begins[number]
            end = min(stop - self._begins[number], self._parts[number].plaintext_size)
            found += await self._read_part(number, start, end)
        return bytes(found)

    async def _read_part(self, number: int, start: int, stop: int) -> bytes:
        part, upload = self._parts[number], self._opened.upload
        bound = associated_data(upload.tenant, upload.upload_id, ORIGINAL, number)
        decryptor = StreamDecryptor(self._opened.data_key.subkey, bound, part.header, part.ciphertext_size)
        plan = decryptor.plan(start, stop)
        chunks = self._objects.read(part, plan.object_start, plan.object_stop)
        async with aclosing(decrypt_range(decryptor, chunks, plan)) as pieces:
            return b"".join([piece async for piece in pieces])
