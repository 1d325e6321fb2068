"""Where requests may go: secrets and recordings leave this machine over TLS only."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import httpx

from callward_cli.exits import CommandError, Exit

CONNECT_SECONDS: Final = 10.0


def base_url(text: str, what: str) -> str:
    """Return an address without a slash at its end. Raises CommandError for one without TLS that is not loopback."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or port == 0:
        raise CommandError(f"{what} is no address such as https://vault.example.org", Exit.usage)
    if parts.username is not None or parts.password is not None:
        raise CommandError(f"{what} holds a name or a password; give them in a file", Exit.usage)
    if parts.scheme == "http" and not is_loopback(host):
        raise CommandError(f"{what} is http: without TLS nothing is sent to another machine", Exit.usage)
    return text.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_client(base: str, *, read_seconds: float, user_agent: str) -> httpx.AsyncClient:
    """Return a client for one address. Proxies of the environment are for the world outside this machine."""
    return httpx.AsyncClient(
        trust_env=not is_loopback(urlsplit(base).hostname or ""),
        timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS, pool=None),
        headers={"User-Agent": user_agent},
    )


def same_origin(url: str, base: str) -> bool:
    """Tell whether an address is of the same origin (RFC 6454): a token goes to no other."""
    one, other = httpx.URL(url), httpx.URL(base)
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)
