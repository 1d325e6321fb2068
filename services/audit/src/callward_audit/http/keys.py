"""The public keys that documents are signed with, and their history."""

import asyncio
import logging

from fastapi import APIRouter, Response

from callward.keys.v1 import signing_service_pb2, signing_service_pb2_grpc
from callward_audit.http.models import JsonWebKey, JsonWebKeySet, key_view
from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_common.grpc.client import Channels

_log = logging.getLogger(__name__)
MAX_AGE_SECONDS = 300


class Directory:
    """The public keys. Asks key-management at most once in MAX_AGE_SECONDS: anybody may ask here, without a token."""

    def __init__(self, channels: Channels, clock: Clock) -> None:
        self._stub = signing_service_pb2_grpc.SigningKeyDirectoryStub(channels.channel("key-management"))
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: tuple[float, JsonWebKeySet] | None = None

    async def keys(self) -> JsonWebKeySet:
        """Return every public key, newest first. Keys once read are served while key-management is away."""
        async with self._lock:
            now, known = self._clock.monotonic(), self._known
            if known is not None and now - known[0] < MAX_AGE_SECONDS:
                return known[1]
            try:
                read = await self._read()
            except CallwardError as error:
                if known is None:
                    raise
                _log.warning("public keys not refreshed", extra={"problem_type": error.type})
                read = known[1]
            self._known = now, read
            return read

    async def _read(self) -> JsonWebKeySet:
        keys: list[JsonWebKey] = []
        token = ""
        while True:
            page = await self._stub.ListSigningKeys(
                signing_service_pb2.ListSigningKeysRequest(page_token=token)
            )
            keys.extend(key_view(key.key_id, key.document_type, key.public_key) for key in page.keys)
            token = page.next_page_token
            if not token:
                return JsonWebKeySet(keys=keys)


def router(channels: Channels, clock: Clock) -> APIRouter:
    """Return the route. It is public: checking a document needs no account."""
    routes = APIRouter(tags=["keys"])
    directory = Directory(channels, clock)

    @routes.get("/.well-known/jwks.json", operation_id="listPublicKeys")
    async def list_public_keys(response: Response) -> JsonWebKeySet:
        """Return every public key, newest first."""
        response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
        return await directory.keys()

    return routes
