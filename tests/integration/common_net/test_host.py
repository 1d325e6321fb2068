"""The host with real servers on free loopback ports: order of start and drain, crashes, signals, readiness."""

import asyncio
import contextlib
import os
import signal
import socket
from typing import Any

import httpx
import pytest

from callward.audit.v1 import watermark_service_pb2 as watermark_pb2
from callward.audit.v1 import watermark_service_pb2_grpc as watermark_grpc
from callward_common.clock import SystemClock
from callward_common.errors import Unavailable
from callward_common.http.app import create_app
from callward_common.runtime.host import Addresses, Host, Hosted, HostFailed
from callward_common.runtime.service import Service
from callward_common.runtime.web import split_address
from tests.integration.common_net.host_world import (
    SERVING,
    TLS,
    World,
    channels_to,
    health,
    run,
    until,
)


async def _drain(world: World, host: Host, addresses: Addresses, client: httpx.AsyncClient) -> None:
    """Stops the host with an HTTP request and a gRPC call in flight, and looks at what is off when."""
    channels, management = channels_to(addresses), f"http://{addresses.management}"
    posted = asyncio.create_task(client.post(f"http://{addresses.http}/v1/wait", content=b"x" * 100_000))
    watermark = watermark_grpc.WatermarkStub(channels.channel("audit"))
    called = asyncio.ensure_future(watermark.GetWatermark(watermark_pb2.GetWatermarkRequest(), timeout=20))
    await world.arrived.acquire()
    await world.arrived.acquire()
    stopping = asyncio.create_task(host.stop())

    async def flipped() -> bool:
        return (await client.get(f"{management}/readyz")).status_code == 503

    async def consumed() -> bool:
        return "consumer stopped" in world.journal

    await until(flipped)
    assert await health(channels) != SERVING
    assert "consumer stopped" not in world.journal  # readiness is off before anything stops
    await until(consumed)
    assert "relay stopped" not in world.journal  # it flushes what the last requests wrote
    world.gate.set()
    assert (await posted).json() == {"size": 100_000}
    assert (await called).sequence == 7
    await stopping
    await channels.close()


def test_start_serve_and_drain_in_order() -> None:
    async def body() -> None:
        world = World()
        host = world.host(drain_delay=0.3)
        addresses = (await host.start())["audit"]
        channels, management = channels_to(addresses), f"http://{addresses.management}"
        assert await health(channels) == await health(channels, "callward.audit.v1.Watermark") == SERVING
        await channels.close()
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            ready = await client.get(f"{management}/readyz")
            assert ready.json() == {"status": "ready", "checks": {"serving": "ok"}}
            assert (await client.get(f"{management}/livez")).status_code == 200
            assert "python_info" in (await client.get(f"{management}/metrics")).text
            await _drain(world, host, addresses, client)
        assert set(world.journal[:2]) == {"consumer started", "relay started"}
        assert world.journal[2] == "consumer stopped"
        assert set(world.journal[3:5]) == {"http answered", "grpc answered"}
        assert world.journal[5:] == ["relay stopped", "closed"]
        for address in (addresses.grpc, addresses.http, addresses.management):
            assert address is not None
            with pytest.raises(ConnectionRefusedError), socket.create_connection(split_address(address)):
                pass

    run(body)


@pytest.mark.parametrize("crash", [RuntimeError("planted"), None])
def test_a_background_that_crashes_or_returns_ends_everything(crash: Exception | None) -> None:
    async def body() -> None:
        world = World(crash=crash)
        host = world.host()
        await host.start()
        serving = asyncio.create_task(host.serve_until_stopped(signals=()))
        world.relay.go.set()
        with pytest.raises(HostFailed, match="audit relay") as failed:
            await serving
        assert failed.value.__cause__ is crash
        assert world.journal[-2:] == ["consumer stopped", "closed"]

    run(body)


def test_a_server_that_dies_ends_everything() -> None:
    async def body() -> None:
        world = World()
        host = world.host()
        await host.start()
        serving = asyncio.create_task(host.serve_until_stopped(signals=()))
        await host._running[0]._grpc.stop(0)
        with pytest.raises(HostFailed, match="audit grpc"):
            await serving

    run(body)


def test_what_does_not_stop_in_time_is_cancelled_and_counts_as_a_crash() -> None:
    async def body() -> None:
        cancelled = asyncio.Event()

        class Stubborn:
            name = "stubborn"

            async def run(self, stop: asyncio.Event) -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.set()

        service = Service(name="audit", consumers=[Stubborn()])
        host = Host([Hosted(service, TLS["audit"])], drain_delay=0, grace=0.2)
        await host.start()
        serving = asyncio.create_task(host.serve_until_stopped(signals=()))
        host._ended.set()
        with pytest.raises(HostFailed, match="audit stubborn"):
            await serving
        assert cancelled.is_set()

    run(body)


def test_a_failing_close_is_reported_and_the_others_run() -> None:
    async def body() -> None:
        closed: list[str] = []

        async def broken() -> None:
            raise OSError("planted")

        async def fine() -> None:
            closed.append("fine")

        host = Host([Hosted(Service(name="audit", close=[broken, fine]), TLS["audit"])], drain_delay=0)
        await host.start()
        host._ended.set()
        with pytest.raises(HostFailed, match="close"):
            await host.serve_until_stopped(signals=())
        assert closed == ["fine"]

    run(body)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_well(number: signal.Signals) -> None:
    async def body() -> None:
        world = World()
        host = world.host()
        await host.start()
        serving = asyncio.create_task(host.serve_until_stopped())
        await asyncio.sleep(0)
        os.kill(os.getpid(), number)
        await serving
        assert world.journal[-1] == "closed"

    run(body)


def test_a_failing_ready_check_is_shown_by_name_only_and_a_hanging_one_fails() -> None:
    async def broken() -> None:
        raise OSError("planted")

    async def hanging() -> None:
        await asyncio.Event().wait()

    async def fine() -> None:
        return None

    async def body() -> None:
        host = World(ready=(("db", broken), ("store", hanging), ("bus", fine))).host()
        addresses = (await host.start())["audit"]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{addresses.management}/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"serving": "ok", "db": "failed", "store": "failed", "bus": "ok"}
        assert "planted" not in answer.text
        await host.stop()

    run(body)


def test_several_services_find_each_other_before_anything_runs() -> None:
    async def body() -> None:
        told: dict[str, str] = {}
        seen: list[dict[str, str]] = []

        class Caller:
            name = "caller"

            async def run(self, stop: asyncio.Event) -> None:
                seen.append(dict(told))
                await stop.wait()

        def bound(addresses: Any) -> None:
            told.update({name: address.grpc for name, address in addresses.items()})

        services = [Service(name=name, background=[Caller()]) for name in ("audit", "ingest", "consent")]
        host = Host([Hosted(s, TLS[s.name]) for s in services], drain_delay=0, grace=5, on_bound=bound)
        addresses = await host.start()

        async def all_seen() -> bool:
            return len(seen) == 3

        await until(all_seen)
        assert seen == [{name: addresses[name].grpc for name in ("audit", "ingest", "consent")}] * 3
        await host.stop()

    run(body)


def test_a_start_that_fails_stops_what_had_started() -> None:
    async def body() -> None:
        world, other = World(), World()
        first = world.host()
        addresses = (await first.start())["audit"]
        taken = Hosted(other.service, TLS["audit"], http_address=addresses.http)
        healthy = Hosted(Service(name="consent", close=[other.service.close[0]]), TLS["consent"])
        with pytest.raises(OSError, match="in use"):
            await Host([healthy, taken], drain_delay=0).start()
        assert other.journal == [
            "closed",
            "closed",
        ]  # of the service that started and of the one that did not
        channels = channels_to(addresses)
        assert await health(channels) == SERVING
        await channels.close()
        await first.stop()

    run(body)


def test_http_off_the_loopback_is_refused() -> None:
    app = create_app(component="x", routers=[], title="t", description="d", clock=SystemClock())
    service = Service(name="audit", http=app)
    for address in (
        "0.0.0.0:80",
        "10.0.0.1:80",
        "[::]:80",
        "example.org:80",
        "localhost:80",
        "127.0.0.1",
        "x",
    ):
        with pytest.raises(ValueError, match=r"loopback|address"):
            Hosted(service, TLS["audit"], http_address=address)
        with pytest.raises(ValueError, match=r"loopback|address"):
            Hosted(Service(name="audit"), TLS["audit"], management_address=address)
    with pytest.raises(ValueError, match="certificate"):
        Hosted(Service(name="audit"), TLS["ingest"])
    with pytest.raises(ValueError, match="together"):
        Hosted(service, TLS["audit"])
    assert Hosted(service, TLS["audit"], http_address="[::1]:0").http_address == "[::1]:0"


def test_a_stopped_service_is_unavailable() -> None:
    async def body() -> None:
        world = World()
        host = world.host()
        channels = channels_to((await host.start())["audit"])
        await host.stop()
        with pytest.raises(Unavailable):
            await watermark_grpc.WatermarkStub(channels.channel("audit")).GetWatermark(
                watermark_pb2.GetWatermarkRequest(), timeout=2
            )
        await channels.close()

    run(body)


@pytest.mark.parametrize("shape", ["one long header", "many headers", "long path", "endless trailer"])
def test_headers_past_the_limit_are_refused_before_memory_is(shape: str) -> None:
    async def body() -> None:
        world = World()
        world.gate.set()
        host = world.host()
        addresses = (await host.start())["audit"]
        assert addresses.http is not None
        reader, writer = await asyncio.open_connection(*split_address(addresses.http))
        head = b"POST /v1/wait HTTP/1.1\r\nHost: x\r\n"
        start, piece = {
            "one long header": (head + b"X: ", b"a" * 1000),
            "many headers": (head, b"X-Some: value\r\n" * 60),
            "long path": (b"GET /", b"a" * 1000),
            "endless trailer": (head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Some: value\r\n" * 60),
        }[shape]
        writer.write(start)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and sent < 10_000_000:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 0.001)
        assert sent < 1_000_000
        writer.close()
        await host.stop()

    run(body)


def test_headers_within_the_limit_and_long_bodies_are_served() -> None:
    async def body() -> None:
        world = World()
        world.gate.set()
        host = world.host()
        addresses = (await host.start())["audit"]
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for _ in range(2):
                answer = await client.post(
                    f"http://{addresses.http}/v1/wait", content=b"x" * 3_000_000, headers={"X": "a" * 30_000}
                )
                assert answer.json() == {"size": 3_000_000}
        await host.stop()

    run(body)
