"""gRPC over real mutual TLS: who may call, until when, and what of a failure comes back."""

import asyncio
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callward.audit.v1 import watermark_service_pb2 as watermark_pb2
from callward.audit.v1 import watermark_service_pb2_grpc as watermark_grpc
from callward.audit.v1.watermark_service_pb2 import GetWatermarkRequest as Request
from callward.audit.v1.watermark_service_pb2 import GetWatermarkResponse as Response
from callward.keys.v1 import pseudonymiser_service_pb2, pseudonymiser_service_pb2_grpc
from callward_common.errors import (
    CallerNotAllowed,
    CallwardError,
    Conflict,
    DeadlineExceeded,
    InternalError,
    RemoteError,
    Unauthenticated,
    Unavailable,
)
from callward_common.grpc.caller import current_caller
from callward_common.grpc.client import MtlsChannels
from callward_common.grpc.server import GrpcBinding
from callward_common.grpc.tls import TlsIdentity
from callward_common.telemetry import names, tracing
from callward_common.telemetry.logging import configure_logging
from tests.integration.common_net.certificates import TestAuthority
from tests.support.grpc import run_servicers

PLANTED = "planted Mary Major"


class _NoCheckpoint(CallwardError):
    type = "no-checkpoint"
    title = "No checkpoint"


class Servicer(watermark_grpc.WatermarkServicer):
    """Answers with whatever the test has set."""

    behaviour: Callable[[], Awaitable[Response]]

    async def GetWatermark(self, request: Request, context: object) -> Response:
        return await self.behaviour()


SERVICER = Servicer()
DESCRIPTOR = watermark_pb2.DESCRIPTOR.services_by_name["Watermark"]
BINDING = GrpcBinding(watermark_grpc.add_WatermarkServicer_to_server, SERVICER, DESCRIPTOR)


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority()


@pytest.fixture(scope="module")
def identities(authority: TestAuthority) -> dict[str, TlsIdentity]:
    return {
        **{name: authority.issue(name) for name in ("audit", "ingest", "operator")},
        "nameless": authority.issue("ingest", []),
        "double": authority.issue("ingest", ["spiffe://callward/ingest", "spiffe://callward/retention"]),
        "foreign-domain": authority.issue("ingest", ["spiffe://elsewhere/ingest"]),
        "forger": TestAuthority().issue("ingest"),
    }


def run(
    identities: dict[str, TlsIdentity], body: Callable[[Callable[[str], MtlsChannels]], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with run_servicers("audit", [BINDING], identities) as channels_of:
            await body(channels_of)

    asyncio.run(asyncio.wait_for(main(), 30))


def stub(channels: MtlsChannels) -> "watermark_grpc.WatermarkAsyncStub":
    return watermark_grpc.WatermarkStub(channels.channel("audit"))


async def _caller() -> Response:
    return Response(log=current_caller())


def test_a_listed_caller_is_known_by_name(identities: dict[str, TlsIdentity]) -> None:
    SERVICER.behaviour = _caller

    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        assert (await stub(channels_of("ingest")).GetWatermark(Request())).log == "ingest"

    run(identities, body)
    with pytest.raises(Unauthenticated):
        current_caller()


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        ("operator", CallerNotAllowed),
        ("nameless", Unauthenticated),
        ("double", Unauthenticated),
        ("foreign-domain", Unauthenticated),
        ("forger", Unavailable),
    ],
)
def test_anybody_else_is_refused(
    identities: dict[str, TlsIdentity], caller: str, error: type[CallwardError]
) -> None:
    async def reached() -> Response:
        raise AssertionError("the servicer was reached")

    SERVICER.behaviour = reached

    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        with pytest.raises(error):
            await stub(channels_of(caller)).GetWatermark(Request())

    run(identities, body)


def test_a_wrong_service_gets_permission_denied_on_the_wire(identities: dict[str, TlsIdentity]) -> None:
    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        raw = channels_of("operator").connection("audit")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await watermark_grpc.WatermarkStub(raw).GetWatermark(Request(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert refused.value.details() == "caller-not-allowed"

    run(identities, body)


def test_a_client_without_certificate_fails_the_handshake(
    identities: dict[str, TlsIdentity], authority: TestAuthority
) -> None:
    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        address = channels_of("ingest")._addresses["audit"]
        options = [("grpc.ssl_target_name_override", "audit.callward.internal")]
        for credentials in (grpc.ssl_channel_credentials(authority.bundle()), None):
            if credentials is None:
                channel = grpc.aio.insecure_channel(address)
            else:
                channel = grpc.aio.secure_channel(address, credentials, options)
            async with channel:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await watermark_grpc.WatermarkStub(channel).GetWatermark(Request(), timeout=5)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    run(identities, body)


def test_a_server_with_another_name_is_not_called(identities: dict[str, TlsIdentity]) -> None:
    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        address = channels_of("ingest")._addresses["audit"]
        confused = MtlsChannels(identities["ingest"], {"consent": address}, caller="ingest")
        with pytest.raises(Unavailable):
            await watermark_grpc.WatermarkStub(confused.channel("consent")).GetWatermark(Request())
        await confused.close()

    run(identities, body)


class SilentPseudonymiser(pseudonymiser_service_pb2_grpc.PseudonymiserServicer):
    def Pseudonymise(self, request: object, context: object) -> Any:
        raise AssertionError("reached")

    def GetFingerprintKey(self, request: object, context: object) -> Any:
        raise AssertionError("reached")


def test_a_service_without_listed_callers_accepts_nobody(identities: dict[str, TlsIdentity]) -> None:
    """The pseudonymiser is bound, but the guard knows another service's descriptor only."""
    binding = GrpcBinding(
        pseudonymiser_service_pb2_grpc.add_PseudonymiserServicer_to_server,
        SilentPseudonymiser(),
        DESCRIPTOR,
    )
    method = pseudonymiser_service_pb2.DESCRIPTOR.services_by_name["Pseudonymiser"].methods[0]

    async def main() -> None:
        async with run_servicers("audit", [binding], identities) as channels_of:
            channel = channels_of("ingest").channel("audit")
            call: Any = channel.unary_unary(
                f"/callward.keys.v1.Pseudonymiser/{method.name}", lambda _: b"", bytes
            )
            with pytest.raises(CallerNotAllowed):
                await call(None)

    asyncio.run(asyncio.wait_for(main(), 30))


async def _conflict() -> Response:
    raise Conflict("It is taken.", extra={"hint": "another"}, retry_after=3.0)


async def _own() -> Response:
    raise _NoCheckpoint("None yet.")


async def _unforeseen() -> Response:
    raise RuntimeError(PLANTED)


def test_failures_come_back_as_they_are_and_unforeseen_ones_without_text(
    identities: dict[str, TlsIdentity],
) -> None:
    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        watermark = stub(channels_of("ingest"))
        SERVICER.behaviour = _conflict
        with pytest.raises(Conflict) as conflict:
            await watermark.GetWatermark(Request())
        assert (conflict.value.extra, conflict.value.retry_after) == ({"hint": "another"}, 3.0)
        SERVICER.behaviour = _own
        with pytest.raises(RemoteError) as own:
            await watermark.GetWatermark(Request())
        assert own.value.type == "no-checkpoint"
        SERVICER.behaviour = _unforeseen
        with pytest.raises(InternalError) as unforeseen:
            await watermark.GetWatermark(Request())
        assert "planted" not in str(unforeseen.value)

    stream = io.StringIO()
    root = logging.getLogger()
    before = list(root.handlers)
    configure_logging("INFO", stream)
    try:
        run(identities, body)
    finally:
        root.handlers[:] = before
    logged = [json.loads(line) for line in stream.getvalue().splitlines()]
    failure = next(line for line in logged if line["logger"] == "callward_common.grpc.server")
    assert (failure["exception"], failure["caller"], failure["component"]) == (
        "RuntimeError",
        "ingest",
        "audit",
    )
    assert any(place.endswith("_unforeseen") for place in failure["frames"])
    assert "planted" not in stream.getvalue()


def test_deadlines(identities: dict[str, TlsIdentity]) -> None:
    cancelled = asyncio.Event()

    async def forever() -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async def own_timeout() -> Response:
        raise TimeoutError

    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        channels = channels_of("ingest")
        SERVICER.behaviour = forever
        with pytest.raises(DeadlineExceeded) as late:
            await stub(channels).GetWatermark(Request(), timeout=0.5)
        assert late.value.detail == "The time ran out."  # the server's answer, in the 20 ms it kept back
        assert cancelled.is_set()
        with pytest.raises(DeadlineExceeded):
            await stub(channels).GetWatermark(Request(), timeout=0.05)
        SERVICER.behaviour = own_timeout
        with pytest.raises(InternalError):
            await stub(channels).GetWatermark(Request())
        with pytest.raises(grpc.aio.AioRpcError) as without:
            await watermark_grpc.WatermarkStub(channels.connection("audit")).GetWatermark(Request())
        assert without.value.details() == "deadline-required"

    run(identities, body)


def test_no_address_and_nobody_there_are_unavailable(identities: dict[str, TlsIdentity]) -> None:
    async def main() -> None:
        addresses: dict[str, str] = {}
        channels = MtlsChannels(identities["ingest"], addresses, caller="ingest")
        watermark = stub(channels)
        with pytest.raises(Unavailable):
            await watermark.GetWatermark(Request())
        addresses["audit"] = "127.0.0.1:1"
        with pytest.raises(Unavailable):
            await watermark.GetWatermark(Request())
        await channels.close()

    asyncio.run(main())


def test_streaming_is_refused_on_both_sides(identities: dict[str, TlsIdentity]) -> None:
    channels = MtlsChannels(identities["ingest"], {}, caller="ingest")
    for kind in ("unary_stream", "stream_unary", "stream_stream"):
        with pytest.raises(TypeError):
            getattr(channels.channel("audit"), kind)("/a/b")
    from grpc_health.v1 import health_pb2

    with pytest.raises(ValueError, match="streaming"):
        GrpcBinding(lambda s, t: None, object(), health_pb2.DESCRIPTOR.services_by_name["Health"])


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    before = trace._TRACER_PROVIDER
    provider = TracerProvider()
    provider.add_span_processor(tracing.AllowListSpanProcessor(SimpleSpanProcessor(exporter)))
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


def test_the_edge_from_caller_to_callee_is_one_trace(
    identities: dict[str, TlsIdentity], spans: InMemorySpanExporter
) -> None:
    SERVICER.behaviour = _unforeseen

    async def body(channels_of: Callable[[str], MtlsChannels]) -> None:
        with tracing.span("work", {}), pytest.raises(InternalError):
            await stub(channels_of("ingest")).GetWatermark(Request())

    run(identities, body)
    found: dict[str, ReadableSpan] = {span.kind.name: span for span in spans.get_finished_spans()}
    for kind in ("CLIENT", "SERVER"):
        assert found[kind].name == "callward.audit.v1.Watermark/GetWatermark"
        attributes = dict(found[kind].attributes or {})
        assert (attributes[names.CALLER], attributes[names.CALLEE]) == ("ingest", "audit")
        assert set(attributes) <= names.SPAN_ATTRIBUTES
    server, client = found["SERVER"], found["CLIENT"]
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert {span.context.trace_id for span in found.values()} == {client.context.trace_id}
    assert "planted" not in "".join(span.to_json() for span in found.values())
