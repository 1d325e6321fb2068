"""The gRPC server of a component. One guard stands before every method: who calls, may they, until when."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry.trace import SpanKind

from callward_common.errors import (
    CallerNotAllowed,
    CallwardError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
)
from callward_common.events.options import callers_of
from callward_common.grpc.caller import calling_as, component_of
from callward_common.grpc.status import to_grpc
from callward_common.grpc.tls import TlsIdentity
from callward_common.telemetry import logging as logs
from callward_common.telemetry import metrics, names, tracing

_log = logging.getLogger(__name__)
#: Seconds below which a call is not begun, and seconds kept back to answer in.
MINIMUM_SECONDS, KEPT_BACK_SECONDS = 0.1, 0.02
_HEALTH = "grpc.health.v1.Health"

Context = Any  # grpc.aio.ServicerContext: a generic in the stubs only
Behaviour = Callable[[Any, Context], Awaitable[Any]]


class DeadlineRequired(InvalidRequest):
    """A gRPC call came without a deadline."""

    type = "deadline-required"


@dataclass(frozen=True)
class GrpcBinding:
    """A servicer with its generated `add_XServicer_to_server` and its descriptor. Unary methods only."""

    add: Callable[[Any, Any], None]
    servicer: object
    descriptor: ServiceDescriptor

    def __post_init__(self) -> None:
        """Refuses streaming methods: the guard covers unary ones only."""
        if any(method.client_streaming or method.server_streaming for method in self.descriptor.methods):
            raise ValueError(f"{self.descriptor.full_name} has streaming methods")


class Guard(grpc.aio.ServerInterceptor):
    """Identity, allow-list, deadline, telemetry and errors around every method of a server.

    The allow-list is the `callers` option of each service: a service that names nobody accepts nobody. The health
    service accepts every component. Whatever the server would answer by streaming is refused.
    """

    def __init__(self, component: str, descriptors: Sequence[ServiceDescriptor]) -> None:
        """`component` is the callee's name in telemetry."""
        self._component = component
        self._callers: Mapping[str, frozenset[str]] = {
            service.full_name: callers_of(service) for service in descriptors
        }

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Returns the method's handler with the guard around it."""
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return handler
        if handler.unary_unary is None:
            return grpc.unary_unary_rpc_method_handler(_refuse_streaming)
        behaviour, path = handler.unary_unary, str(handler_call_details.method)

        async def guarded(request: Any, context: Context) -> Any:
            return await self._serve(behaviour, path, request, context)

        return grpc.unary_unary_rpc_method_handler(
            guarded, handler.request_deserializer, handler.response_serializer
        )

    async def _serve(self, behaviour: Behaviour, path: str, request: Any, context: Context) -> Any:
        service, method = path.lstrip("/").split("/", 1)
        attributes = {names.RPC_SERVICE: service, names.RPC_METHOD: method, names.CALLEE: self._component}
        carried = dict(context.invocation_metadata() or ()).get(tracing.TRACEPARENT)
        parent = tracing.extract(carried if isinstance(carried, str) else None)
        caller, outcome, started = "", "ok", time.perf_counter()
        with logs.component(self._component):
            try:
                with tracing.span(
                    f"{service}/{method}", attributes, kind=SpanKind.SERVER, parent=parent
                ) as span:
                    caller = component_of(context.auth_context())
                    span.set_attribute(names.CALLER, caller)
                    self._demand_listed(service, caller)
                    with calling_as(caller):
                        return await _within_deadline(behaviour, request, context)
            except CallwardError as error:
                outcome = error.type
                await _abort(context, error)
            except Exception as error:
                outcome = type(error).__name__
                _log.exception("a gRPC call failed unexpectedly", extra={"rpc": path, "caller": caller})
                await _abort(context, InternalError("The call failed for a reason that is in the log."))
            finally:
                metrics.record_rpc(self._component, caller, path, outcome, time.perf_counter() - started)

    def _demand_listed(self, service: str, caller: str) -> None:
        if service != _HEALTH and caller not in self._callers.get(service, ()):
            raise CallerNotAllowed(f"{caller} may not call {service}.")


async def _within_deadline(behaviour: Behaviour, request: Any, context: Context) -> Any:
    remaining: float | None = context.time_remaining()
    if remaining is None:
        raise DeadlineRequired("Every call needs a deadline.")
    if remaining < MINIMUM_SECONDS:
        raise DeadlineExceeded("Too little time is left to begin.")
    limit = asyncio.timeout(remaining - KEPT_BACK_SECONDS)
    try:
        async with limit:
            return await behaviour(request, context)
    except TimeoutError:
        if limit.expired():
            raise DeadlineExceeded("The time ran out.") from None
        raise


async def _abort(context: Context, error: CallwardError) -> None:
    code, details, metadata = to_grpc(error)
    await context.abort(code, details, metadata)


async def _refuse_streaming(_: Any, context: Context) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "streaming is not served")


def create_server(
    component: str,
    bindings: Sequence[GrpcBinding],
    tls: TlsIdentity,
    address: str,
    *,
    max_message_bytes: int = 4 * 1024 * 1024,
) -> tuple[grpc.aio.Server, int]:
    """Gives a server that is bound to `address` and not started, and its port. There is no port without TLS."""
    server = grpc.aio.server(
        interceptors=(Guard(component, [binding.descriptor for binding in bindings]),),
        options=(("grpc.max_receive_message_length", max_message_bytes), ("grpc.so_reuseport", 0)),
    )
    for binding in bindings:
        binding.add(binding.servicer, server)
    return server, server.add_secure_port(address, tls.server_credentials())
