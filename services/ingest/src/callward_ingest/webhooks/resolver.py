"""Names to addresses, without letting one slow name server hold up the rest of the process."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from callward_ingest.domain.webhook_addresses import Address

#: Host → its addresses. Raises OSError where it has none, ResolverBusy where too many are being asked for.
Resolve = Callable[[str], Awaitable[Sequence[Address]]]
_AT_ONCE = 64


class ResolverBusy(OSError):
    """As many names are being resolved as may be."""


class SystemResolver:
    """The machine's resolver. Each question has a thread of its own, which may outlive the wait for it.

    The system's call cannot be cancelled. In the loop's pool a few names whose servers never answer would leave no
    thread for others, and a stop would wait for all of them; these threads end with the process.
    """

    def __init__(self) -> None:
        self._asking = 0

    async def __call__(self, host: str) -> Sequence[Address]:
        """Returns every address of a host, in the system's order."""
        if self._asking >= _AT_ONCE:
            raise ResolverBusy("too many names are being resolved")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Address]] = loop.create_future()

        def ended(found: Sequence[Address], error: OSError | None) -> None:
            self._asking -= 1
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        def ask() -> None:
            found: Sequence[Address] = ()
            failed: OSError | None = None
            try:
                found = _lookup(host)
            except (OSError, UnicodeError, ValueError) as error:
                failed = OSError(type(error).__name__)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended, found, failed)

        self._asking += 1
        threading.Thread(target=ask, name="webhook-resolver", daemon=True).start()
        return await answer


def _lookup(host: str) -> Sequence[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(each[4][0]) for each in found))
