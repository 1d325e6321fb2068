"""Traces: the allow-list, errors without text, W3C propagation; metrics with declared labels."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callward_common.errors import NotFound
from callward_common.telemetry import metrics, names, tracing

PHI = "planted Mary Major"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, before = InMemorySpanExporter(), trace._TRACER_PROVIDER
    provider = TracerProvider()
    provider.add_span_processor(tracing.AllowListSpanProcessor(SimpleSpanProcessor(exporter)))
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


def test_only_declared_attributes_leave(exporter: InMemorySpanExporter) -> None:
    with tracing.span("work", {names.COMPONENT: "ingest", "db.statement": PHI}) as span:
        span.set_attribute("url.full", PHI)
        span.add_event(PHI, {"exception.message": PHI})
        span.record_exception(ValueError(PHI))
        span.set_status(trace.Status(trace.StatusCode.ERROR, PHI))
    (ended,) = exporter.get_finished_spans()
    assert dict(ended.attributes or {}) == {names.COMPONENT: "ingest"}
    assert (ended.name, ended.events, ended.status.description) == ("work", (), None)
    assert "planted" not in ended.to_json()


@pytest.mark.parametrize(("error", "shown"), [(NotFound(PHI), "not-found"), (ValueError(PHI), "ValueError")])
def test_a_failure_leaves_its_type(exporter: InMemorySpanExporter, error: Exception, shown: str) -> None:
    with pytest.raises(type(error)), tracing.span("work", {}):
        raise error
    (ended,) = exporter.get_finished_spans()
    assert (ended.attributes or {})[names.ERROR_TYPE] == shown
    assert ended.status.status_code is trace.StatusCode.ERROR
    assert "planted" not in ended.to_json()


def test_a_traceparent_goes_across(exporter: InMemorySpanExporter) -> None:
    with tracing.span("one", {}):
        carried = tracing.inject()
    assert carried is not None
    with tracing.span("two", {}, parent=tracing.extract(carried)):
        pass
    with tracing.span("three", {}, parent=Context()):
        pass
    one, two, three = exporter.get_finished_spans()
    assert two.context.trace_id == one.context.trace_id != three.context.trace_id
    assert two.parent is not None
    assert two.parent.span_id == one.context.span_id


@pytest.mark.parametrize(
    "text", [None, "", "x", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "9" * 9999]
)
def test_a_malformed_traceparent_starts_a_new_trace(text: str | None) -> None:
    assert not trace.get_current_span(tracing.extract(text)).get_span_context().is_valid
    assert tracing.inject() is None


def test_metrics_have_declared_names_and_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("t")
    monkeypatch.setattr(metrics, "_histogram", meter.create_histogram)
    monkeypatch.setattr(metrics, "_counter", meter.create_counter)
    monkeypatch.setattr(metrics, "_gauge", meter.create_gauge)
    metrics.record_rpc("audit", "ingest", "/a/b", "ok", 0.1)
    metrics.record_http("ingest", "GET", "/v1/x/{id}", 200, 0.1)
    metrics.record_published("ingest", "callward.ingest.v1", 3)
    metrics.record_consumed("audit", "callward.ingest.v1.Sealed", "ok")
    metrics.record_outbox_lag("ingest", 0.5)
    data = reader.get_metrics_data()
    assert data is not None
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert set(found) == {
        names.RPC_DURATION,
        names.HTTP_DURATION,
        names.EVENTS_PUBLISHED,
        names.EVENTS_CONSUMED,
        names.OUTBOX_LAG,
    }
    for metric in found.values():
        for point in metric.data.data_points:
            assert set(point.attributes or {}) <= names.SPAN_ATTRIBUTES
