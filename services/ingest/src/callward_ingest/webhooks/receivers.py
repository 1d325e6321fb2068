"""One request to one receiver: to an address that was checked, within bounds of time and size, and nowhere else.

Server-side request forgery (OWASP API7:2023). The name is resolved here, every address is checked, and the connection
goes to a checked address: no second resolution could give another (DNS rebinding). The certificate is checked against
the name. The transport alone is used: no redirects, cookies, proxies, credentials of the environment or decoding.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from callward_common.clock import Clock
from callward_common.errors import Unavailable
from callward_ingest.domain.webhook_addresses import Address
from callward_ingest.domain.webhook_errors import WebhookUrlRefused
from callward_ingest.domain.webhook_urls import Target, UrlRules
from callward_ingest.domain.webhooks import AttemptError, Outcome
from callward_ingest.webhooks.resolver import Resolve, ResolverBusy

_log = logging.getLogger(__name__)
_USER_AGENT = "Callward-Webhooks/1"
_MAX_ADDRESSES = 4
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class AttemptLimits:
    """Bounds of an attempt: seconds in all and for a connection, bytes and seconds of an answer's body."""

    total_seconds: float = 20.0
    connect_seconds: float = 5.0
    answer_bytes: int = 64 * 1024
    answer_seconds: float = 2.0


class HttpReceivers:
    """Receivers over HTTPS."""

    def __init__(
        self,
        *,
        rules: UrlRules,
        resolve: Resolve,
        clock: Clock,
        limits: AttemptLimits = AttemptLimits(),
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`trust`: what certificates are checked against; None: the authorities that browsers trust."""
        self._rules, self._resolve, self._clock, self._limits = rules, resolve, clock, limits
        self._trust = trust

    async def check(self, url: str) -> None:
        """Returns when a URL may be called now, or raises WebhookUrlRefused."""
        target = self._rules.read(url)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await self._addresses(target)
        except ResolverBusy:
            raise Unavailable("Too many names are being resolved.", retry_after=1.0) from None
        except (OSError, TimeoutError):
            self._rules.demand(target, ())

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Sends once. Whatever the receiver does, the outcome is there when the time for an attempt is over."""
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                target = self._rules.read(url)
                return await self._send(target, await self._addresses(target), headers, body)
        except WebhookUrlRefused:
            return Outcome(error=AttemptError.url)
        except ResolverBusy:
            return Outcome(error=AttemptError.busy)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(error=AttemptError.timeout)
        except (httpx.NetworkError, OSError) as error:
            return Outcome(error=_network_error(error))
        except httpx.HTTPError:
            return Outcome(error=AttemptError.answer)

    async def _addresses(self, target: Target) -> Sequence[Address]:
        if target.address is not None:
            return [target.address]
        addresses = await self._resolve(target.host)
        self._rules.demand(target, addresses)
        return addresses[:_MAX_ADDRESSES]

    async def _send(
        self, target: Target, addresses: Sequence[Address], headers: Mapping[str, str], body: bytes
    ) -> Outcome:
        """Tries the addresses in order until one can be connected to."""
        *others, last = addresses
        for address in others:
            try:
                return await self._exchange(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                _log.info("an address of a webhook's host was not reached")
        return await self._exchange(target, last, headers, body)

    async def _exchange(
        self, target: Target, address: Address, headers: Mapping[str, str], body: bytes
    ) -> Outcome:
        request = self._request(target, address, headers, body)
        async with httpx.AsyncHTTPTransport(
            verify=self._context(), trust_env=False, http2=False, retries=0
        ) as transport:
            response = await transport.handle_async_request(request)
            try:
                outcome = self._outcome(response)
                assert isinstance(response.stream, AsyncIterable)
                await self._taste(response.stream)
            finally:
                await response.aclose()
        return outcome

    def _request(
        self, target: Target, address: Address, headers: Mapping[str, str], body: bytes
    ) -> httpx.Request:
        scheme = "https" if target.secure else "http"
        host = f"[{address}]" if address.version == 6 else str(address)
        seconds = self._limits.total_seconds
        timeouts = {
            "connect": self._limits.connect_seconds,
            "read": seconds,
            "write": seconds,
            "pool": seconds,
        }
        return httpx.Request(
            "POST",
            httpx.URL(f"{scheme}://{host}:{target.port}").copy_with(raw_path=target.path.encode("ascii")),
            headers={
                "Host": target.authority,
                "User-Agent": _USER_AGENT,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **headers,
            },
            content=body,
            extensions={"sni_hostname": target.host, "timeout": timeouts},
        )

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            self._trust = httpx.create_ssl_context(trust_env=False)
        return self._trust

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        if 200 <= status < 300:
            return Outcome(status)
        error = AttemptError.redirect if status in _REDIRECTS else AttemptError.status
        return Outcome(status, error, _retry_after(response.headers.get("retry-after"), self._clock.now()))

    async def _taste(self, stream: AsyncIterable[bytes]) -> None:
        """Reads a little of the body, so that an orderly receiver sees an orderly end. The status has decided."""
        read = 0
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                async for chunk in stream:
                    read += len(chunk)
                    if read >= self._limits.answer_bytes:
                        return
        except (httpx.HTTPError, OSError, TimeoutError):
            _log.debug("a webhook's answer was not read to its end")


def _network_error(error: Exception) -> AttemptError:
    """Tells a certificate that does not count from a connection that does not come about."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return AttemptError.certificate
        cause = cause.__cause__ or cause.__context__
    return AttemptError.connection


def _retry_after(text: str | None, now: datetime) -> float | None:
    """Reads Retry-After (RFC 9110 section 10.2.3): seconds, or a date. What cannot be read counts as absent."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)
