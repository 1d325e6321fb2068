"""Runs servicers on a real server with mutual TLS, for tests that need a neighbour."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from callward_common.grpc.client import MtlsChannels
from callward_common.grpc.server import GrpcBinding, create_server
from callward_common.grpc.tls import TlsIdentity


@asynccontextmanager
async def run_servicers(
    component: str,
    bindings: Sequence[GrpcBinding],
    identities: Mapping[str, TlsIdentity],
    *,
    deadline_seconds: float = 5.0,
) -> AsyncIterator[Callable[[str], MtlsChannels]]:
    """Serves `bindings` as `component`; gives a function from a calling component to its channels."""
    server, port = create_server(component, bindings, identities[component], "127.0.0.1:0")
    opened: list[MtlsChannels] = []

    def channels_of(caller: str) -> MtlsChannels:
        addresses = {component: f"127.0.0.1:{port}"}
        channels = MtlsChannels(
            identities[caller], addresses, caller=caller, deadline_seconds=deadline_seconds
        )
        opened.append(channels)
        return channels

    await server.start()
    try:
        yield channels_of
    finally:
        for channels in opened:
            await channels.close()
        await server.stop(0)
