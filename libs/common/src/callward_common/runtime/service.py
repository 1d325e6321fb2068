"""A service as a value: what `build()` gives and the host runs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import FastAPI

from callward_common.grpc.server import GrpcBinding

#: A name that may be shown, and a check that raises when what it stands for is not ready.
ReadyCheck = tuple[str, Callable[[], Awaitable[None]]]


class Runnable(Protocol):
    """Work that goes on as long as the service does."""

    @property
    def name(self) -> str:
        """The name in logs and failures."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set and the work in hand is finished. Returning earlier, or raising, is a crash."""
        ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service consists of. `close` is awaited in order when everything else has stopped."""

    name: str
    grpc: Sequence[GrpcBinding] = ()
    http: FastAPI | None = None
    consumers: Sequence[Runnable] = ()
    background: Sequence[Runnable] = ()
    ready: Sequence[ReadyCheck] = ()
    close: Sequence[Callable[[], Awaitable[None]]] = ()
