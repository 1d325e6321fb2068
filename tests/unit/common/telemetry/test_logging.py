"""Logs: constants and allow-listed extras come out, planted PHI never does."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from callward_common.telemetry.logging import component, configure_logging

PHI = "planted Mary Major 555-0100"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("DEBUG", stream)
    yield stream
    root.handlers[:], root.level = before, level
    logging.captureWarnings(False)


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_has_the_stated_members(out: io.StringIO) -> None:
    with component("ingest"):
        logging.getLogger("callward_ingest.app").info("sealed", extra={"recording_id": "r-1", "count": 3})
    line = lines(out)[0]
    assert str(line.pop("time")).endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "callward_ingest.app",
        "message": "sealed",
        "component": "ingest",
        "recording_id": "r-1",
        "count": 3,
    }


def test_a_line_in_a_span_carries_its_ids(out: io.StringIO) -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        logging.getLogger("callward_x").info("here")
    assert lines(out)[0]["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert lines(out)[0]["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_phi_does_not_come_out(out: io.StringIO) -> None:
    ours, theirs = logging.getLogger("callward_ingest"), logging.getLogger("sqlalchemy.engine")
    ours.info("patient %s", PHI, extra={"patient": PHI, "error": PHI})
    theirs.warning("row %s", PHI, extra={"recording_id": PHI})
    theirs.warning(f"row {PHI}")
    theirs.error({"row": PHI})
    theirs.info("row %s", PHI)
    for logger in (ours, theirs):
        try:
            raise ValueError(PHI) from KeyError(PHI)
        except ValueError:
            logger.exception("failed", stack_info=True)
    warnings.warn(PHI, stacklevel=1)
    text = out.getvalue()
    assert not [word for word in PHI.split() if word in text]
    messages = [line["message"] for line in lines(out)]
    assert messages == [
        "patient %s",
        "row %s",
        "message withheld",
        "message withheld",
        "failed",
        "message withheld",
        "message withheld",
    ]
    failed = lines(out)[4]
    assert failed["exception"] == "ValueError"
    assert "test_logging.py" in str(failed["frames"])
    assert str(lines(out)[2]["source"]).startswith("test_logging.py:")


def test_values_that_are_no_json_are_named_by_their_class(out: io.StringIO) -> None:
    class Recording:
        def __repr__(self) -> str:
            return PHI

    logging.getLogger("callward_x").info("odd", extra={"reason": Recording()})
    assert lines(out)[0]["reason"] == "Recording"
