"""The public doors as the demo uses them: plain HTTP with bearer tokens, nothing else."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from callward_cli.demo.steps import NotAsPromised

PURPOSE = "HOPERAT"


@dataclass(frozen=True)
class Doors:
    """Where the doors are."""

    ingest: str
    access: str
    audit: str
    issuers: str


class Client:
    """Calls the doors as one person or machine."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """GET."""
        return await self._http.get(url, headers={**self._headers, **(headers or {})})

    async def post(
        self,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """POST with a JSON document or bytes."""
        return await self._http.post(
            url, json=json, content=content, headers={**self._headers, **(headers or {})}
        )


async def machine_token(http: httpx.AsyncClient, issuer: str, name: str, secret: str, audience: str) -> str:
    """Return a token by client credentials (RFC 6749 section 4.4)."""
    form = {
        "grant_type": "client_credentials",
        "client_id": name,
        "client_secret": secret,
        "audience": audience,
    }
    return await _token(http, issuer, form)


async def person_token(
    http: httpx.AsyncClient, issuer: str, name: str, password: str, code: str | None, audience: str
) -> str:
    """Return a person's token; without a one-time code it is one without a second factor."""
    form = {"grant_type": "password", "username": name, "password": password, "audience": audience}
    return await _token(http, issuer, form | ({"otp": code} if code else {}))


async def _token(http: httpx.AsyncClient, issuer: str, form: Mapping[str, str]) -> str:
    response = await http.post(f"{issuer}/token", data=dict(form))
    return str(expect(response, 200, "signing in")["access_token"])


def expect(response: httpx.Response, status: int, what: str) -> dict[str, Any]:
    """Return the JSON of a response with this status. Raises NotAsPromised for another one."""
    if response.status_code != status:
        raise NotAsPromised(
            f"{what} was answered with {response.status_code} {problem(response)}, not {status}"
        )
    document = response.json()
    if not isinstance(document, dict):
        raise NotAsPromised(f"{what} was answered with something else than a JSON object")
    return document


def problem(response: httpx.Response) -> str:
    """Return the last part of a problem's type, or nothing."""
    try:
        return str(response.json()["type"]).rsplit(":", 1)[-1]
    except (ValueError, KeyError, TypeError):
        return ""


async def eventually(attempt: Any, what: str, *, within: float = 30.0, every: float = 0.1) -> Any:
    """Return what `attempt` returns as soon as it is not None. Raises NotAsPromised when it stays None."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = await attempt()
        if found is not None:
            return found
        await asyncio.sleep(every)
    raise NotAsPromised(f"{what} did not come about within {within:g} seconds")
