"""Turns a protobuf message into something that may be logged, by the sensitivity of its fields."""

from collections.abc import Sequence

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from callward.options.v1 import options_pb2
from callward_common.errors import JsonValue
from callward_common.events.options import sensitivity_of

REDACTED = "[redacted]"
PSEUDONYM = "[pseudonym]"
_SHOWN = (options_pb2.SENSITIVITY_PUBLIC, options_pb2.SENSITIVITY_OPERATIONAL)


def redact(message: Message) -> dict[str, JsonValue]:
    """Gives the message's set fields: public and operational values as they are, everything else replaced.

    A field without a sensitivity counts as PHI. Bytes are never shown. Messages of other packages (timestamps,
    durations) follow the field that holds them.
    """
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: FieldDescriptor, value: object) -> JsonValue:
    sensitivity = sensitivity_of(field)
    if sensitivity == options_pb2.SENSITIVITY_PSEUDONYM:
        return PSEUDONYM
    if sensitivity not in _SHOWN or field.type == FieldDescriptor.TYPE_BYTES:
        return REDACTED
    if field.is_repeated and not isinstance(value, Sequence):
        return REDACTED  # a map: its keys have no sensitivity of their own
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_single(field, item) for item in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: object) -> JsonValue:
    if isinstance(value, (Timestamp, Duration)):
        return value.ToJsonString()
    if isinstance(value, Message):
        return redact(value) if value.DESCRIPTOR.full_name.startswith("callward.") else REDACTED
    if field.enum_type is not None and isinstance(value, int):
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else value
    return value if isinstance(value, (str, int, float, bool)) else REDACTED
