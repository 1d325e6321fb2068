"""Messages with fields of every sensitivity, made at run time: none of the real events has a forbidden field."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from callward.audit.v1 import actor_pb2
from callward.options.v1 import options_pb2
from callward.options.v1.options_pb2 import Sensitivity

PACKAGE = "callward.test.v1"
_FIELD = descriptor_pb2.FieldDescriptorProto
STRING, MESSAGE = _FIELD.TYPE_STRING, _FIELD.TYPE_MESSAGE
OPTIONAL, REPEATED = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED

SENSITIVITIES = {
    "public": Sensitivity.SENSITIVITY_PUBLIC,
    "operational": Sensitivity.SENSITIVITY_OPERATIONAL,
    "pseudonym": Sensitivity.SENSITIVITY_PSEUDONYM,
    "secret": Sensitivity.SENSITIVITY_SECRET,
    "phi": Sensitivity.SENSITIVITY_PHI,
    "stated_unspecified": Sensitivity.SENSITIVITY_UNSPECIFIED,
    "unclassified": None,
}
FORBIDDEN = ("secret", "phi", "stated_unspecified", "unclassified")
ALLOWED = ("public", "operational", "pseudonym")


def _add(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    number: int,
    sensitivity: Sensitivity.ValueType | None = Sensitivity.SENSITIVITY_OPERATIONAL,
    **more: Any,
) -> descriptor_pb2.FieldDescriptorProto:
    field = message.field.add(name=name, number=number, **{"type": STRING, "label": OPTIONAL, **more})
    if sensitivity is not None:
        field.options.Extensions[options_pb2.sensitivity] = sensitivity
    return field


def _map(message: descriptor_pb2.DescriptorProto, name: str, number: int, value: dict[str, Any]) -> None:
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _add(entry, "key", 1, None)
    _add(entry, "value", 2, None, **value)
    type_name = f".{PACKAGE}.Event.{entry.name}"
    _add(message, name, number, type=MESSAGE, label=REPEATED, type_name=type_name)


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="callward/test/v1/events.proto", package=PACKAGE, syntax="proto3"
    )
    file.dependency.extend([options_pb2.DESCRIPTOR.name, actor_pb2.DESCRIPTOR.name])
    file.dependency.append("google/protobuf/timestamp.proto")
    part = file.message_type.add(name="Part")
    for number, (name, sensitivity) in enumerate(SENSITIVITIES.items(), start=1):
        _add(part, name, number, sensitivity)
    event = file.message_type.add(name="Event")
    event.options.Extensions[options_pb2.topic] = "callward.test.v1"
    event.options.Extensions[options_pb2.enforced] = True
    part_type: dict[str, Any] = {"type": MESSAGE, "type_name": f".{PACKAGE}.Part"}
    _add(event, "actor", 1, type=MESSAGE, type_name=".callward.audit.v1.Actor")
    _add(event, "one", 2, **part_type)
    _add(event, "many", 3, label=REPEATED, **part_type)
    event.oneof_decl.add(name="choice")
    _add(event, "chosen_part", 4, oneof_index=0, **part_type)
    _add(event, "chosen_text", 5, Sensitivity.SENSITIVITY_PHI, oneof_index=0)
    _map(event, "parts", 6, part_type)
    _map(event, "texts", 7, {"type": STRING})
    _add(event, "at", 8, type=MESSAGE, type_name=".google.protobuf.Timestamp")
    _add(event, "unclassified_part", 9, None, **part_type)
    _add(event, "names", 10, Sensitivity.SENSITIVITY_PHI, label=REPEATED)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return pool


def message(name: str, **fields: Any) -> Any:
    """Makes a message of the package."""
    kind: type[Message] = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return kind(**fields)


def event(**fields: Any) -> Any:
    """Makes an event with an actor."""
    actor = actor_pb2.Actor(kind=actor_pb2.ACTOR_KIND_SERVICE, id="ingest")
    return message("Event", **{"actor": actor, **fields})
