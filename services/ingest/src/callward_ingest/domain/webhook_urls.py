"""The URLs that may be registered. Read here once, strictly: what is sent is put together from what was read."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from callward_ingest.domain.webhook_addresses import Address, AddressRules, is_loopback
from callward_ingest.domain.webhook_errors import WebhookUrlRefused

MAX_CHARACTERS = 2000
_URL = re.compile(r"[!-~]+")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# What resolvers read as an IPv4 address in one of its older writings (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LOCALHOST = "localhost"
_PUBLIC = AddressRules()


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect, and what to ask for there. `address` when the host is one."""

    secure: bool
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def authority(self) -> str:
        """The Host header: an IPv6 address in brackets, the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        own = _DEFAULT_PORTS["https" if self.secure else "http"]
        return host if self.port == own else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UrlRules:
    """HTTPS to a public host on one of the ports; with `addresses.loopback` also loopback, there without TLS too."""

    ports: Collection[int] = (443,)
    addresses: AddressRules = _PUBLIC

    def read(self, url: str) -> Target:
        """Returns what a URL means, or raises WebhookUrlRefused with its reason."""
        target = _read(url)
        local = self.addresses.loopback and _names_loopback(target)
        if not target.secure and not local:
            raise refused("not-https", "A webhook's URL starts with https://.")
        if target.port not in self.ports and not local:
            raise refused("port", f"The port is not one of {', '.join(map(str, sorted(self.ports)))}.")
        if target.address is not None:
            self.demand(target, [target.address])
        return target

    def demand(self, target: Target, addresses: Sequence[Address]) -> None:
        """Raises WebhookUrlRefused unless the host has addresses and every single one may be called."""
        admitted = bool(addresses) and all(self.addresses.admits(address) for address in addresses)
        if not admitted or not (target.secure or all(is_loopback(address) for address in addresses)):
            raise refused("host", "The host does not resolve, or not to public addresses alone.")


def refused(reason: str, detail: str) -> WebhookUrlRefused:
    """Gives the error; `detail` is a constant, without anything of the URL."""
    return WebhookUrlRefused(detail, extra={"reason": reason})


def _read(url: str) -> Target:
    if len(url) > MAX_CHARACTERS or _URL.fullmatch(url) is None or "\\" in url:
        raise refused(
            "malformed", "A URL is of visible ASCII characters; a host of others is written as xn--…."
        )
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").removesuffix(".")
    except ValueError:
        raise refused("malformed", "The URL cannot be read.") from None
    _demand_plain(url, parts)
    address = _address(host)
    if address is None and not _is_name(host):
        raise refused("host", "The host is neither a name nor an address in its usual form.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = _DEFAULT_PORTS[parts.scheme]
    return Target(parts.scheme == "https", host, own if port is None else port, path, address)


def _demand_plain(url: str, parts: SplitResult) -> None:
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise refused("not-https", "A webhook's URL starts with https://.")
    if "@" in parts.netloc:
        raise refused("userinfo", "A URL with a user name or password is not taken: it would stand in lists.")
    if "#" in url:
        raise refused("fragment", "A URL with a fragment is not taken: it is never sent.")
    host = parts.hostname or ""
    written = {host, f"[{host}]"}
    if "%" in host or parts.netloc.lower().removesuffix(f":{parts.port}") not in written:
        raise refused("malformed", "The URL cannot be read.")


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and _NUMBER.fullmatch(labels[-1]) is None
    )


def _names_loopback(target: Target) -> bool:
    return target.host == _LOCALHOST if target.address is None else is_loopback(target.address)


def host_of(url: str) -> str:
    """Gives the host of a URL that was read before: all of it that may stand in an event."""
    return (urlsplit(url).hostname or "").removesuffix(".")
