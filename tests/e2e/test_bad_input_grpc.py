"""Between components: nobody calls what the topology does not give it, and nobody without a certificate of ours."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import descriptor_pool

from callward_common.errors import CallwardError
from callward_common.grpc.tls import server_name
from callward_embedded.authority import CertificateAuthority
from callward_embedded.services import COMPONENTS
from tests.support.platform import RunningPlatform

TOPOLOGY: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "topology.yaml").read_text(encoding="utf-8")
)
#: Everybody who has a certificate of this platform.
COMPONENT_NAMES = (*(component.name for component in COMPONENTS), "operator", "embedded")


def methods(service: str) -> Iterator[str]:
    for method in descriptor_pool.Default().FindServiceByName(service).methods:
        yield f"/{service}/{method.name}"


def call(platform: RunningPlatform, caller: str, callee: str, path: str) -> str:
    """Calls with an empty request; returns the type of the error, or "ok"."""

    async def made() -> str:
        channels = platform.channels(caller)
        try:
            stub = channels.channel(callee).unary_unary(
                path, request_serializer=bytes, response_deserializer=bytes
            )
            await stub(b"", timeout=10)
        except CallwardError as error:
            return error.type
        finally:
            await channels.close()
        return "ok"

    return platform.run(made())


@pytest.mark.parametrize("rpc", TOPOLOGY["rpc"], ids=lambda rpc: str(rpc["service"]))
def test_only_listed_callers_pass(platform: RunningPlatform, rpc: dict[str, Any]) -> None:
    for path in methods(rpc["service"]):
        for caller in COMPONENT_NAMES:
            outcome = call(platform, caller, rpc["of"], path)
            if caller in rpc["callers"]:
                assert outcome != "caller-not-allowed", (caller, path)
                assert outcome not in ("unauthenticated", "unavailable"), (caller, path, outcome)
            else:
                assert outcome == "caller-not-allowed", (caller, path, outcome)


def test_every_service_that_serves_is_in_the_topology(platform: RunningPlatform) -> None:
    hosted = platform.inner._host
    assert hosted is not None
    served = {
        (binding.descriptor.full_name, each.service.name)
        for each in hosted._hosted
        for binding in each.service.grpc
    }
    assert served == {(rpc["service"], rpc["of"]) for rpc in TOPOLOGY["rpc"]}


def _status(
    platform: RunningPlatform, component: str, credentials: grpc.ChannelCredentials | None
) -> grpc.StatusCode:
    async def made() -> grpc.StatusCode:
        address = platform.inner.grpc_addresses[component]
        options = (("grpc.ssl_target_name_override", server_name(component)), ("grpc.enable_http_proxy", 0))
        channel = (
            grpc.aio.insecure_channel(address, options=options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=options)
        )
        async with channel:
            try:
                await channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(b"", timeout=10)
            except grpc.aio.AioRpcError as error:
                return error.code()
        return grpc.StatusCode.OK

    return platform.run(made())


@pytest.mark.parametrize("component", [each.name for each in COMPONENTS])
def test_without_a_certificate_of_ours_nobody_is_heard(platform: RunningPlatform, component: str) -> None:
    ours = platform.inner.authority
    stranger = CertificateAuthority().issue("ingest")
    no_certificate = grpc.ssl_channel_credentials(ours.trust_bundle)
    anothers = grpc.ssl_channel_credentials(
        ours.trust_bundle, stranger.private_key, stranger.certificate_chain
    )
    for credentials in (no_certificate, anothers, None):
        assert _status(platform, component, credentials) is grpc.StatusCode.UNAVAILABLE
    listed = ours.issue("audit").channel_credentials()
    assert _status(platform, component, listed) is grpc.StatusCode.OK


def test_a_server_that_is_somebody_else_is_not_believed(platform: RunningPlatform) -> None:
    """The address of one component under the name of another: the caller refuses."""

    async def made() -> str:
        channels = platform.channels("ingest")
        channels._addresses = {"key-management": platform.inner.grpc_addresses["audit"]}
        try:
            stub = channels.channel("key-management").unary_unary(
                "/callward.keys.v1.DataKeyIssuer/IssueDataKey",
                request_serializer=bytes,
                response_deserializer=bytes,
            )
            await stub(b"", timeout=3)
        except CallwardError as error:
            return error.type
        finally:
            await channels.close()
        return "ok"

    assert platform.run(made()) in ("unavailable", "deadline-exceeded")
