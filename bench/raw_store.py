"""The other side of every comparison: the same object store behind the same server, with nothing in between.

    python -m bench.raw_store FOLDER

PUT /KEY stores a body and answers 201 with the version; GET /KEY?version=… serves it, or one range of it. The server
is the platform's own (callward_common.runtime.web), the store its own (callward_embedded.file_objects), the loop the
one that `callward dev` has. No sealing, no digest, no receipt, no authorisation.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from callward_common.clock import SystemClock
from callward_common.runtime.web import WebServer
from callward_embedded.file_objects import FileObjectStore


class RawStore:
    """An ASGI application over an object store."""

    def __init__(self, store: FileObjectStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stores or serves."""
        key = scope["path"].lstrip("/")
        if scope["method"] == "PUT":
            async with aclosing(_body(receive)) as body:
                stored = await self._store.put(key, body)
            await _start(send, 201, [(b"content-length", b"0"), (b"x-version", stored.version_id.encode())])
            await send({"type": "http.response.body"})
        else:
            await self._serve(scope, key, send)

    async def _serve(self, scope: Scope, key: str, send: Send) -> None:
        version = parse_qs(scope["query_string"].decode())["version"][0]
        wanted = dict(scope["headers"]).get(b"range")
        start, stop = 0, None
        if wanted is None:
            size = (await self._store.stat(key, version)).size
        else:
            first, _, last = wanted.decode().removeprefix("bytes=").partition("-")
            start, stop = int(first), int(last) + 1
            size = stop - start
        await _start(send, 200 if wanted is None else 206, [(b"content-length", str(size).encode())])
        async with aclosing(self._store.read(key, version, start=start, stop=stop)) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _start(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _serve_forever(folder: Path) -> None:
    store = FileObjectStore(folder, SystemClock())
    await store.start()
    server = WebServer(RawStore(store), "127.0.0.1:0", grace=1)
    task = await server.start()
    print(f"http://{server.address}", flush=True)
    await task


if __name__ == "__main__":
    asyncio.run(_serve_forever(Path(sys.argv[1])))
