"""Structured logs: one JSON object a line. Messages are constants; what varies is in allow-listed extras.

An exception is logged by its class and the places it went through, never by its text: texts may carry PHI. Of
libraries outside Callward only warnings are logged, by their template and place, without arguments.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from opentelemetry import trace

from callward_common.telemetry.names import LOG_EXTRAS

_component: ContextVar[str] = ContextVar("callward_component", default="")


@contextmanager
def component(name: str) -> Iterator[None]:
    """Names the component in every log line written in the block."""
    token = _component.set(name)
    try:
        yield
    finally:
        _component.reset(token)


def frames(traceback: TracebackType | None) -> list[str]:
    """Gives the places of a traceback as "file:line function", without any source text or value."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{'/'.join(code.co_filename.split('/')[-3:])}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-20:]


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON that holds nothing but constants and allow-listed extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line. The message is the template: arguments are never put into it."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "component": _component.get(),
        }
        if not _ours(record):
            line["source"] = f"{record.filename}:{record.lineno}"
        else:
            line |= {key: value for key, value in record.__dict__.items() if key in LOG_EXTRAS}
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["frames"] = frames(record.exc_info[2])
        return json.dumps(line, default=lambda value: type(value).__name__)


def _ours(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0].startswith("callward")


def _message(record: logging.LogRecord) -> str:
    # A foreign text without arguments may have been put together from values before it came here.
    return (
        record.msg if isinstance(record.msg, str) and (_ours(record) or record.args) else "message withheld"
    )


def _wanted(record: logging.LogRecord) -> bool:
    return _ours(record) or record.levelno >= logging.WARNING


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Makes the root logger write JSON lines to `stream` (standard error). Call once, from main."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_wanted)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    return handler
