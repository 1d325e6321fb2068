"""Channels to other components: mutual TLS, a deadline on every call, errors as CallwardError."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol, cast

import grpc
from opentelemetry.trace import SpanKind

from callward_common.errors import Unavailable
from callward_common.grpc.status import from_grpc
from callward_common.grpc.tls import TlsIdentity, server_name
from callward_common.telemetry import names, tracing

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


class Channels(Protocol):
    """Gives channels to components by name; generated stubs are made on them."""

    def channel(self, component: str) -> grpc.aio.Channel:
        """Returns the channel to `component`. It connects at the first call."""
        ...


class MtlsChannels:
    """Channels for the component that `tls` stands for. Addresses are looked up at the first call."""

    def __init__(
        self,
        tls: TlsIdentity,
        addresses: Mapping[str, str],
        *,
        caller: str | None = None,
        deadline_seconds: float = 5.0,
    ) -> None:
        """`addresses`: component → host:port, may be filled later; `caller`: its name in traces (the certificate's)."""
        self._tls, self._addresses, self._deadline = tls, addresses, deadline_seconds
        self._caller = caller or tls.component
        self._channels: dict[str, grpc.aio.Channel] = {}

    def channel(self, component: str) -> grpc.aio.Channel:
        """Returns the channel to `component`. Calls raise CallwardError; unary methods only."""
        return cast(grpc.aio.Channel, _GuardedChannel(self, component))

    def connection(self, component: str) -> grpc.aio.Channel:
        """Returns the connection itself, made when there is none. Raises Unavailable without an address."""
        if component not in self._channels:
            if component not in self._addresses:
                raise Unavailable(f"{component} has no address.")
            options = (*_OPTIONS, ("grpc.ssl_target_name_override", server_name(component)))
            credentials = self._tls.channel_credentials()
            self._channels[component] = grpc.aio.secure_channel(
                self._addresses[component], credentials, options
            )
        return self._channels[component]

    async def call(
        self,
        component: str,
        path: str,
        codecs: tuple[Any, Any],
        request: Any,
        timeout: float | None,
        metadata: Any,
    ) -> Any:
        """Makes one unary call in a span, with a deadline; maps its failure."""
        service, method = path.lstrip("/").split("/", 1)
        attributes = {names.RPC_SERVICE: service, names.RPC_METHOD: method}
        attributes |= {names.CALLER: self._caller, names.CALLEE: component}
        with tracing.span(f"{service}/{method}", attributes, kind=SpanKind.CLIENT):
            carried = tracing.inject()
            sent = (*(metadata or ()), *(((tracing.TRACEPARENT, carried),) if carried else ()))
            multicallable = self.connection(component).unary_unary(path, *codecs)
            try:
                return await multicallable(request, timeout=timeout or self._deadline, metadata=sent)
            except grpc.aio.AioRpcError as error:
                raise from_grpc(error.code(), error.trailing_metadata(), component) from None

    async def close(self) -> None:
        """Closes every connection."""
        while self._channels:
            await self._channels.popitem()[1].close()


class _UnaryCall:
    """What a stub calls for one method."""

    def __init__(self, owner: MtlsChannels, component: str, path: str, codecs: tuple[Any, Any]) -> None:
        self._owner, self._component, self._path, self._codecs = owner, component, path, codecs

    async def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Sequence[tuple[str, str]] | None = None
    ) -> Any:
        return await self._owner.call(self._component, self._path, self._codecs, request, timeout, metadata)


class _GuardedChannel:
    """The part of a channel that generated stubs use; its calls go through `MtlsChannels.call`."""

    def __init__(self, owner: MtlsChannels, component: str) -> None:
        self._owner, self._component = owner, component

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> _UnaryCall:
        return _UnaryCall(self._owner, self._component, method, (request_serializer, response_deserializer))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("streaming methods are not called in Callward")

    unary_stream = stream_unary = stream_stream = _refuse
