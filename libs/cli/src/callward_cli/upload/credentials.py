"""Bearer tokens for the door: from a file, from the environment, or by client credentials; renewed in time."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from callward_cli.config import Settings
from callward_cli.exits import CommandError, Exit
from callward_cli.upload.demo_login import data_folder, demo_login
from callward_cli.upload.errors import Interrupted
from callward_cli.upload.places import base_url
from callward_common.clock import Clock

#: A token is renewed this many seconds before it ends, or after half its life where that is shorter.
EARLY_SECONDS: Final = 60.0
MAX_SECRET_FILE: Final = 16 * 1024
_AWAY: Final = frozenset({429, 500, 502, 503, 504})


class Tokens(Protocol):
    """Where a token comes from."""

    async def token(self) -> str:
        """Return a token that holds now. Raises CommandError, or Interrupted when the issuer is away."""
        ...

    def refused(self) -> bool:
        """Note that the last token was refused; tells whether another one may be asked for."""
        ...


class FixedToken:
    """A token that was given in the environment."""

    def __init__(self, token: str) -> None:
        self._token = _one_line(token, "the variable CALLWARD_TOKEN")

    async def token(self) -> str:
        """Return it."""
        return self._token

    def refused(self) -> bool:
        """There is no other."""
        return False


class TokenFile:
    """A token in a file, which something else may renew: it is read again for each request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = self._refused = ""

    async def token(self) -> str:
        """Return what the file holds now."""
        self._last = secret_file(self._path)
        return self._last

    def refused(self) -> bool:
        """Another one may stand in the file by now."""
        self._refused = self._last
        return secret_file(self._path) != self._refused


class ClientCredentials:
    """Tokens by RFC 6749 section 4.4 from an issuer that is found by its metadata (RFC 8414)."""

    def __init__(
        self, http: httpx.AsyncClient, issuer: str, client: tuple[str, str], audience: str, clock: Clock
    ) -> None:
        """`client`: id and secret."""
        self._http, self._issuer, self._client, self._audience = http, issuer, client, audience
        self._clock = clock
        self._endpoint: str | None = None
        self._token, self._until = "", 0.0
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        """Return the token in use, or a new one shortly before that one ends."""
        async with self._one_at_a_time:
            if not self._token or self._clock.monotonic() >= self._until:
                await self._renew()
            return self._token

    def refused(self) -> bool:
        """Ask for a new one next time."""
        self._token = ""
        return True

    async def _renew(self) -> None:
        asked_at = self._clock.monotonic()
        name, secret = self._client
        form = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_secret": secret,
            "audience": self._audience,
        }
        answer = await self._ask("POST", await self._token_endpoint(), form)
        token, seconds = answer.get("access_token"), answer.get("expires_in", 300)
        if not isinstance(token, str) or not isinstance(seconds, int | float):
            raise CommandError("the issuer's answer holds no token", Exit.platform)
        self._token = _one_line(token, "the issuer's token")
        self._until = asked_at + max(seconds / 2, seconds - EARLY_SECONDS)

    async def _token_endpoint(self) -> str:
        if self._endpoint is None:
            found = await self._ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._issuer:
                raise CommandError("the issuer's metadata are of another issuer (RFC 8414)", Exit.usage)
            self._endpoint = base_url(str(found.get("token_endpoint", "")), "the issuer's token endpoint")
        return self._endpoint

    async def _ask(self, method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, url, data=form)
        except httpx.TransportError as error:
            raise Interrupted(f"the issuer cannot be reached ({type(error).__name__})") from error
        if answer.status_code in _AWAY:
            raise Interrupted(f"the issuer answered {answer.status_code}")
        try:
            document = answer.json()
        except ValueError:
            document = None
        document = document if isinstance(document, dict) else {}
        if answer.status_code != 200:
            reason = f"{answer.status_code} {document.get('error', '')}".strip()
            raise CommandError(f"the issuer refused the sign-in: {reason}", Exit.usage)
        return document


def tokens_for(
    settings: Settings, http: httpx.AsyncClient, clock: Clock, environment: Mapping[str, str]
) -> Tokens:
    """Return where tokens come from by the settings. Raises CommandError when nothing says so."""
    if settings.demo is not None:
        login = demo_login(settings.demo, data_folder(settings.data_dir, environment))
        client = (login.client_id, login.client_secret)
        return ClientCredentials(http, login.issuer, client, settings.audience, clock)
    if settings.token is not None:
        return FixedToken(settings.token)
    if settings.token_file is not None:
        return TokenFile(settings.token_file)
    if settings.client_id is None or settings.issuer is None:
        raise CommandError(
            "say how to sign in: --token-file, or --issuer with --client-id and --client-secret-file; "
            "for `callward dev` on this machine --demo bayview-hospital",
            Exit.usage,
        )
    client = (settings.client_id, _client_secret(settings))
    return ClientCredentials(http, base_url(settings.issuer, "the issuer"), client, settings.audience, clock)


def secret_file(path: Path) -> str:
    """Return the one line that a file holds. Raises CommandError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_FILE + 1)
        if len(raw) > MAX_SECRET_FILE:
            raise CommandError(f"{path} is too large for a secret", Exit.usage)
        return _one_line(raw.decode(), str(path))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", Exit.usage) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not text", Exit.usage) from error


def _client_secret(settings: Settings) -> str:
    if settings.client_secret is not None:
        return settings.client_secret
    if settings.client_secret_file is None:
        raise CommandError(
            "the client's secret is missing: name its file with --client-secret-file", Exit.usage
        )
    return secret_file(settings.client_secret_file)


def _one_line(text: str, what: str) -> str:
    line = text.strip()
    if not line or not line.isascii() or not line.isprintable() or " " in line:
        raise CommandError(f"{what} holds no token or secret of one line", Exit.usage)
    return line
