"""The public keys that documents are signed with, and their history."""

from fastapi import APIRouter, Response

from callward.keys.v1 import signing_service_pb2, signing_service_pb2_grpc
from callward_audit.http.models import JsonWebKey, JsonWebKeySet, key_view
from callward_common.grpc.client import Channels

MAX_AGE_SECONDS = 300


def router(channels: Channels) -> APIRouter:
    """Return the route. It is public: checking a document needs no account."""
    routes = APIRouter(tags=["keys"])
    stub = signing_service_pb2_grpc.SigningKeyDirectoryStub(channels.channel("key-management"))

    @routes.get("/.well-known/jwks.json", operation_id="listPublicKeys")
    async def list_public_keys(response: Response) -> JsonWebKeySet:
        """Return every public key, newest first."""
        response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_SECONDS}"
        keys: list[JsonWebKey] = []
        token = ""
        while True:
            page = await stub.ListSigningKeys(signing_service_pb2.ListSigningKeysRequest(page_token=token))
            keys.extend(key_view(key.key_id, key.document_type, key.public_key) for key in page.keys)
            token = page.next_page_token
            if not token:
                return JsonWebKeySet(keys=keys)

    return routes
