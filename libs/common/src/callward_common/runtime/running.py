"""One hosted service while it runs: its servers, its readiness, and the steps that the host puts in order."""

import asyncio
import socket
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from callward_common.grpc.server import create_server
from callward_common.grpc.tls import TlsIdentity
from callward_common.http.health import LoopWatchdog, health_app
from callward_common.runtime.service import ReadyCheck, Service
from callward_common.runtime.web import WebServer, address_of, demand_loopback, split_address

_CHECK_SECONDS = 2.0


@dataclass(frozen=True)
class Hosted:
    """A service with its certificate and its addresses ("host:port", port 0 takes a free one; None: not served).

    The door may also be a listening socket, for a port that was settled before the service could be built.
    """

    service: Service
    tls: TlsIdentity
    grpc_address: str = "127.0.0.1:0"
    http_address: str | socket.socket | None = None
    management_address: str | None = None

    def __post_init__(self) -> None:
        """Refuses HTTP off the loopback, an HTTP address without an application or the reverse, a foreign certificate."""
        if self.tls.component != self.service.name:
            raise ValueError(f"{self.service.name}: the certificate is of {self.tls.component}")
        for address in (self.http_address, self.management_address):
            if address is not None:
                demand_loopback(address if isinstance(address, str) else address_of(address))
        if (self.http_address is None) != (self.service.http is None):
            raise ValueError(f"{self.service.name}: an HTTP application and an HTTP address belong together")


@dataclass(frozen=True)
class Addresses:
    """Where a service really listens, as "host:port"."""

    grpc: str
    http: str | None
    management: str | None


class Running:
    """The servers of a hosted service. Made inside the loop; every socket is bound when it is made."""

    def __init__(self, hosted: Hosted, watchdog: LoopWatchdog, *, grace: float) -> None:
        """Binds; nothing accepts yet."""
        self.service = hosted.service
        self._serving, self._grace = False, grace
        self._health = health.aio.HealthServicer()
        self._grpc, port = create_server(
            hosted.service.name, hosted.service.grpc, hosted.tls, hosted.grpc_address
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        app, address = hosted.service.http, hosted.http_address
        self._web = WebServer(app, address, grace=grace) if app is not None and address is not None else None
        self._management: WebServer | None = None
        if hosted.management_address is not None:
            probe = health_app(watchdog, self.readiness)
            self._management = WebServer(probe, hosted.management_address, grace=1)
        self.addresses = Addresses(
            grpc=f"{split_address(hosted.grpc_address)[0]}:{port}",
            http=self._web.address if self._web else None,
            management=self._management.address if self._management else None,
        )

    async def readiness(self) -> dict[str, bool]:
        """Runs the ready checks, each within two seconds, beside whether the service is serving at all."""
        checks = self.service.ready
        results = await asyncio.gather(*(_passes(check) for check in checks))
        return {
            "serving": self._serving,
            **{check[0]: passed for check, passed in zip(checks, results, strict=True)},
        }

    async def set_serving(self, serving: bool) -> None:
        """Sets `/readyz` and the gRPC health of the server and of each of its services."""
        self._serving = serving
        status = (
            health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for name in ("", *(binding.descriptor.full_name for binding in self.service.grpc)):
            await self._health.set(name, status)

    async def start_management(self) -> asyncio.Task[None] | None:
        """Starts the management server; returns its task, which ends when the server does."""
        return await self._management.start() if self._management else None

    async def start_grpc(self) -> asyncio.Task[None]:
        """Starts the gRPC server; returns a task that ends when the server does."""
        await self._grpc.start()
        return asyncio.create_task(_terminated(self._grpc))

    async def start_http(self) -> asyncio.Task[None] | None:
        """Starts the door; returns its task."""
        return await self._web.start() if self._web else None

    async def stop_grpc(self) -> None:
        """Refuses new calls and gives those in flight the grace."""
        await self._grpc.stop(self._grace)

    async def stop_http(self) -> None:
        """Refuses new requests and gives those in flight the grace."""
        if self._web:
            await self._web.stop()

    async def stop_management(self) -> None:
        """Stops the management server."""
        if self._management:
            await self._management.stop()


async def _terminated(server: grpc.aio.Server) -> None:
    await server.wait_for_termination()


async def _passes(check: ReadyCheck) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check[1]()
    except Exception:
        return False
    return True
