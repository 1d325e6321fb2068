"""Traces: W3C trace context across components, and a processor that lets only declared attributes out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callward_common.errors import CallwardError
from callward_common.telemetry.names import ERROR_TYPE, SPAN_ATTRIBUTES

TRACEPARENT = "traceparent"
_propagator = TraceContextTextMapPropagator()


def inject() -> str | None:
    """Gives the W3C traceparent of the current span; None when there is none that is recorded."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def extract(traceparent: str | None) -> Context:
    """Gives the context of a traceparent; an empty one when it is absent or malformed. There is no baggage."""
    return _propagator.extract({TRACEPARENT: traceparent} if traceparent else {}, context=Context())


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, str | int],
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
) -> Iterator[trace.Span]:
    """Runs the block in a span. A failure leaves the error's type there, never its text."""
    started = trace.get_tracer("callward").start_span(name, parent, kind, dict(attributes))
    with trace.use_span(
        started, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute(
                ERROR_TYPE, error.type if isinstance(error, CallwardError) else type(error).__name__
            )
            current.set_status(Status(StatusCode.ERROR))
            raise


class AllowListSpanProcessor(SpanProcessor):
    """Hands ended spans on without what is not in `names.SPAN_ATTRIBUTES`: other attributes, events, status texts."""

    def __init__(self, inner: SpanProcessor) -> None:
        """`inner` exports what remains."""
        self._inner = inner

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Passes the start on."""
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Passes a copy on that holds declared attributes only."""
        self._inner.on_end(
            ReadableSpan(
                name=span.name,
                context=span.context,
                parent=span.parent,
                resource=span.resource,
                attributes={k: v for k, v in (span.attributes or {}).items() if k in SPAN_ATTRIBUTES},
                kind=span.kind,
                status=Status(span.status.status_code),
                start_time=span.start_time,
                end_time=span.end_time,
                instrumentation_scope=span.instrumentation_scope,
            )
        )

    def shutdown(self) -> None:
        """Ends the inner processor."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Exports what is waiting; False when that took longer."""
        return self._inner.force_flush(timeout_millis)


def configure_tracing(processor: SpanProcessor) -> TracerProvider:
    """Makes the process's tracer provider, with `processor` behind the allow-list. Call once, from main."""
    provider = TracerProvider(resource=Resource({"service.name": "callward"}))
    provider.add_span_processor(AllowListSpanProcessor(processor))
    trace.set_tracer_provider(provider)
    return provider


def flush() -> None:
    """Exports what is waiting, where a provider is configured."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()
