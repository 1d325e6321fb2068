"""Metrics: a few instruments, with labels of bounded cardinality, read by Prometheus."""

from functools import cache

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.metrics import _Gauge as Gauge
from opentelemetry.sdk.metrics import MeterProvider

from callward_common.telemetry import names


def configure_metrics() -> MeterProvider:
    """Makes the process's meter provider, read by /metrics. Call once, from main."""
    provider = MeterProvider(metric_readers=[PrometheusMetricReader()])
    metrics.set_meter_provider(provider)
    return provider


@cache
def _histogram(name: str) -> Histogram:
    return metrics.get_meter("callward").create_histogram(name, unit="s")


@cache
def _counter(name: str) -> Counter:
    return metrics.get_meter("callward").create_counter(name)


@cache
def _gauge(name: str) -> Gauge:
    return metrics.get_meter("callward").create_gauge(name, unit="s")


def record_rpc(component: str, caller: str, rpc: str, outcome: str, seconds: float) -> None:
    """Records a gRPC call that `component` answered. `outcome` is "ok" or an error's type."""
    labels = {
        names.COMPONENT: component,
        names.CALLER: caller,
        names.RPC_METHOD: rpc,
        names.ERROR_TYPE: outcome,
    }
    _histogram(names.RPC_DURATION).record(seconds, labels)


def record_http(component: str, method: str, route: str, status: int, seconds: float) -> None:
    """Records an HTTP request that `component` answered. `route` is the template, never the path."""
    labels = {names.COMPONENT: component, names.HTTP_METHOD: method, names.HTTP_ROUTE: route}
    _histogram(names.HTTP_DURATION).record(seconds, {**labels, names.HTTP_STATUS: status})


def record_published(component: str, topic: str, count: int) -> None:
    """Counts events that `component` published."""
    _counter(names.EVENTS_PUBLISHED).add(count, {names.COMPONENT: component, names.TOPIC: topic})


def record_consumed(component: str, event_type: str, outcome: str, count: int = 1) -> None:
    """Counts events that `component` handled. `outcome` is "ok", "skipped", "retried" or "dead"."""
    labels = {names.COMPONENT: component, names.EVENT_TYPE: event_type, names.ERROR_TYPE: outcome}
    _counter(names.EVENTS_CONSUMED).add(count, labels)


def record_outbox_lag(component: str, seconds: float) -> None:
    """Records the age of the oldest event of `component` that is not published."""
    _gauge(names.OUTBOX_LAG).set(seconds, {names.COMPONENT: component})
