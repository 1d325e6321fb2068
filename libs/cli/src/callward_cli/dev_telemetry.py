"""Logs, metrics and traces of `callward dev`."""

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from callward_common.telemetry.logging import configure_logging
from callward_common.telemetry.metrics import configure_metrics
from callward_common.telemetry.tracing import configure_tracing

LEVEL = "CALLWARD_LOG_LEVEL"
#: The variables by which OpenTelemetry names a collector; without one no trace leaves the process.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configure(environment: Mapping[str, str]) -> None:
    """Write JSON logs to standard error, offer metrics at /metrics, and export spans where a collector is named."""
    configure_logging(environment.get(LEVEL, "WARNING"))
    configure_metrics()
    if any(environment.get(name) for name in ENDPOINTS):
        configure_tracing(BatchSpanProcessor(OTLPSpanExporter()))
