"""The body of an upload as it arrives. Never spooled: what was read is held until the next chunk is asked for."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest, UnsupportedMediaType
from callward_ingest.app.intake import body_too_large
from callward_ingest.domain.errors import BodyIncomplete, BodyTimeout
from callward_ingest.domain.media_types import parse_media_type


class Body:
    """Iterates over a body once. A sender that is silent, or as good as silent, for too long is cut off.

    Only the time spent waiting for the sender counts: a slow store is not its fault. Raises BodyTimeout and
    BodyIncomplete.
    """

    def __init__(self, request: Request, clock: Clock, *, idle_timeout: float, min_rate: int) -> None:
        """`idle_timeout` in seconds; `min_rate` in bytes a second, on average once the idle timeout has passed."""
        self._request = request
        self._clock = clock
        self._idle_timeout = idle_timeout
        self._min_rate = min_rate

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yields the chunks as they arrive; none of them is empty."""
        stream = self._request.stream()
        received, waited = 0, 0.0
        while True:
            asked_at = self._clock.monotonic()
            try:
                async with asyncio.timeout(self._idle_timeout):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise BodyTimeout(f"Nothing was sent for {self._idle_timeout:g} seconds.") from None
            except ClientDisconnect:
                raise BodyIncomplete("The body ended before it was whole.") from None
            waited += self._clock.monotonic() - asked_at
            received += len(chunk)
            if waited > self._idle_timeout and received < waited * self._min_rate:
                raise BodyTimeout(f"Less than {self._min_rate} bytes a second were sent.")
            if chunk:
                yield chunk


def demand_media(request: Request) -> str:
    """Returns the media type of a body that is sent as it is. Raises UnsupportedMediaType for any other."""
    kind = request.headers.get("content-type", "")
    if kind.strip().lower().startswith("multipart/"):
        raise UnsupportedMediaType(
            "Multipart bodies are not taken, since they would be spooled to disk in the clear: "
            "send the file's bytes as the body, with its media type as Content-Type."
        )
    parse_media_type(kind)
    demand_no_coding(request)
    return kind.strip()


def demand_no_coding(request: Request) -> None:
    """Raises UnsupportedMediaType for a content coding: what is kept is what was sent."""
    coding = ", ".join(request.headers.getlist("content-encoding")).strip().lower()
    if coding not in ("", "identity"):
        raise UnsupportedMediaType("Content codings are not taken: send the file's bytes as they are.")


def demand_size(request: Request, limit: int) -> None:
    """Raises BodyTooLarge when the sender announces more than `limit` bytes, before it sends them."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise body_too_large(limit)


def demand_known_expectation(request: Request) -> None:
    """Raises InvalidRequest for an expectation other than 100-continue (RFC 9110 section 10.1.1).

    100 (Continue) itself is sent by the server when the first chunk is asked for: after consent has permitted it.
    """
    expected = request.headers.get("expect")
    if expected is not None and expected.strip().lower() != "100-continue":
        raise InvalidRequest("The only expectation known here is 100-continue.", extra={"header": "Expect"})
