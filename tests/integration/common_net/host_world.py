"""A service with everything a service can have, and what it takes to run and ask it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request as HttpRequest

from callward.audit.v1 import watermark_service_pb2 as watermark_pb2
from callward.audit.v1 import watermark_service_pb2_grpc as watermark_grpc
from callward_common.clock import SystemClock
from callward_common.grpc.client import MtlsChannels
from callward_common.grpc.server import GrpcBinding
from callward_common.http.app import create_app
from callward_common.runtime.host import Addresses, Host, Hosted
from callward_common.runtime.service import ReadyCheck, Service
from tests.integration.common_net.certificates import TestAuthority

AUTHORITY = TestAuthority()
TLS = {name: AUTHORITY.issue(name) for name in ("audit", "ingest", "consent")}
SERVING = health_pb2.HealthCheckResponse.SERVING


class Work:
    """A Runnable that writes down when it starts and stops, and may crash."""

    def __init__(self, name: str, journal: list[str], crash: Exception | None = None) -> None:
        self.name, self.journal, self.crash = name, journal, crash
        self.go = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        self.journal.append(f"{self.name} started")
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(self.go.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        self.journal.append(f"{self.name} stopped")
        if self.crash is not None and self.go.is_set():
            raise self.crash


class World:
    """One service with everything a service can have; requests wait at `gate` once they have arrived."""

    def __init__(self, ready: tuple[ReadyCheck, ...] = (), crash: Exception | None = None) -> None:
        self.journal: list[str] = []
        self.arrived, self.gate = asyncio.Semaphore(0), asyncio.Event()
        self.consumer, self.relay = Work("consumer", self.journal), Work("relay", self.journal, crash)
        router = APIRouter()

        @router.post("/v1/wait")
        async def wait(request: HttpRequest) -> dict[str, int]:
            size = len(await request.body())
            await self.hold()
            self.journal.append("http answered")
            return {"size": size}

        world = self

        class Servicer(watermark_grpc.WatermarkServicer):
            async def GetWatermark(self, request: Any, context: Any) -> watermark_pb2.GetWatermarkResponse:
                await world.hold()
                world.journal.append("grpc answered")
                return watermark_pb2.GetWatermarkResponse(sequence=7)

        async def close() -> None:
            self.journal.append("closed")

        descriptor = watermark_pb2.DESCRIPTOR.services_by_name["Watermark"]
        self.service = Service(
            name="audit",
            grpc=[GrpcBinding(watermark_grpc.add_WatermarkServicer_to_server, Servicer(), descriptor)],
            http=create_app(
                component="audit", routers=[router], title="t", description="d", clock=SystemClock()
            ),
            consumers=[self.consumer],
            background=[self.relay],
            ready=ready,
            close=[close],
        )

    async def hold(self) -> None:
        self.arrived.release()
        await self.gate.wait()

    def host(self, **options: Any) -> Host:
        hosted = Hosted(
            self.service, TLS["audit"], http_address="127.0.0.1:0", management_address="127.0.0.1:0"
        )
        return Host([hosted], **{"drain_delay": 0.0, "grace": 10.0, **options})


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await body()

    asyncio.run(bounded())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110  # it is the other side of a socket that is waited for
        await asyncio.sleep(0.01)


def channels_to(addresses: Addresses) -> MtlsChannels:
    return MtlsChannels(TLS["ingest"], {"audit": addresses.grpc}, caller="ingest")


async def health(channels: MtlsChannels, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channels.connection("audit"))
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)
