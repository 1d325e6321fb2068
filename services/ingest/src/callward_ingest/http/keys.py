"""/.well-known/jwks.json: the public halves of the signing keys, for whoever checks a receipt."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from callward_ingest.app.directory import Directory
from callward_ingest.http.answers import JsonWebKeySet


def keys_router(directory: Directory, *, max_age: int) -> APIRouter:
    """Gives the one route that needs no token: what it shows is public."""
    router = APIRouter(tags=["keys"])

    @router.get("/.well-known/jwks.json", response_model=JsonWebKeySet)
    async def signing_keys() -> JSONResponse:
        """Shows every public signing key with its history, so that old receipts verify as well."""
        headers = {"Cache-Control": f"public, max-age={max_age}"}
        return JSONResponse(await directory.jwks(), headers=headers, media_type="application/jwk-set+json")

    return router
