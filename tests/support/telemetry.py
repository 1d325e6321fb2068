"""What leaves the process as telemetry, kept for tests: log lines as the product writes them, and ended spans."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callward_common.telemetry.logging import configure_logging
from callward_common.telemetry.metrics import configure_metrics
from callward_common.telemetry.tracing import configure_tracing

#: Libraries of the tests' own clients: what they log is not the product's.
_CLIENTS = ("httpx", "httpcore", "asyncio", "hypothesis", "hpack")


@dataclass(frozen=True)
class Telemetry:
    """Log lines and spans since the session began."""

    stream: io.StringIO
    exporter: InMemorySpanExporter

    @property
    def log_text(self) -> str:
        """Every log line so far."""
        return self.stream.getvalue()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every ended span so far, as exporters get it."""
        return self.exporter.get_finished_spans()


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Telemetry]:
    """Logs at level DEBUG through the product's formatter, and spans through its allow-list, into memory."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream, exporter = io.StringIO(), InMemorySpanExporter()
    handler = configure_logging("DEBUG", stream)
    logging.captureWarnings(capture=False)  # pytest shows them
    root.handlers[:] = [*before, handler]
    for name in _CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    configure_metrics()
    configure_tracing(SimpleSpanProcessor(exporter))
    try:
        yield Telemetry(stream, exporter)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
