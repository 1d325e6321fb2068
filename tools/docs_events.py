"""Tables of events and their fields, from the descriptors, the protos' comments and audit's OCSF shapes."""

import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor

from callward.options.v1.options_pb2 import Sensitivity
from callward_audit.domain.ocsf import SHAPES
from callward_common.events.options import is_enforced, sensitivity_of, topic_of
from tools.docs_tables import table
from tools.generate_topology import modules

PROTO = Path(__file__).parent.parent / "proto"
_COMMENTED = re.compile(r"((?:^//.*\n)+)^message (\w+) \{", re.MULTILINE)


def event_types() -> list[Descriptor]:
    """Return every message that declares a topic, by name."""
    found = [
        message
        for module in modules()
        for message in module.DESCRIPTOR.message_types_by_name.values()
        if topic_of(message)
    ]
    return sorted(found, key=lambda message: str(message.full_name))


def events() -> str:
    """Return the table of all events."""
    rows = []
    for event in event_types():
        shape = SHAPES[event.full_name]
        rows.append(
            (
                f"`{event.full_name}`",
                _comment(event),
                f"`{topic_of(event)}`",
                "enforced" if is_enforced(event) else "best effort",
                f"{shape.class_uid}",
                f"{shape.activity_id} {shape.activity_name}",
                "failure" if shape.failure else "success",
            )
        )
    return table(
        ("Event", "When", "Topic", "Delivery", "OCSF class", "Activity", "Status"),
        rows,
    )


def fields() -> str:
    """Return the table of every field that can stand in an event, nested messages included once."""
    rows = []
    for message in _reachable():
        for field in message.fields:
            name = Sensitivity.Name(sensitivity_of(field)).removeprefix("SENSITIVITY_").lower()
            rows.append((f"`{message.full_name}`", f"`{field.name}`", name))
    return table(("Message", "Field", "Sensitivity"), rows)


def _reachable() -> Iterator[Descriptor]:
    waiting, seen = event_types(), set[str]()
    while waiting:
        message = waiting.pop(0)
        if message.full_name in seen or not message.full_name.startswith("callward."):
            continue
        seen.add(message.full_name)
        yield message
        waiting.extend(field.message_type for field in message.fields if field.message_type is not None)


def _comment(message: Descriptor) -> str:
    text = (PROTO / message.file.name).read_text(encoding="utf-8")
    for comment, name in _COMMENTED.findall(text):
        if name == message.name:
            return " ".join(line.removeprefix("//").strip() for line in comment.splitlines())
    raise ValueError(f"{message.full_name} has no comment")
