"""Incoming events: envelope → fact. Bytes become hex, so that a reader can compare them with a receipt."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# Their types have to be known before an event can be read.
from callward.access.v1 import events_pb2 as _access  # noqa: F401
from callward.audit.v1 import events_pb2 as _audit  # noqa: F401
from callward.consent.v1 import events_pb2 as _consent  # noqa: F401
from callward.ingest.v1 import events_pb2 as _ingest  # noqa: F401
from callward.keys.v1 import events_pb2 as _keys  # noqa: F401
from callward.retention.v1 import events_pb2 as _retention  # noqa: F401
from callward_audit.domain.model import Fact
from callward_common.events.envelope import Envelope, InvalidEnvelope
from callward_common.events.options import producer_of, topic_of


def fact(envelope: Envelope) -> Fact:
    """Return the fact of an event. Raises UnknownEvent or InvalidEnvelope."""
    message = envelope.message()
    _demand_own(envelope, message)
    return Fact(
        event_id=envelope.id,
        type=envelope.type,
        producer=envelope.source,
        sequence=envelope.sequence,
        tenant_id=envelope.tenant,
        key=envelope.key,
        occurred_at=envelope.time,
        fields=plain(message),
    )


def _demand_own(envelope: Envelope, message: Message) -> None:
    """Raise InvalidEnvelope unless the event is on its own topic and says that the component declaring it sent it.

    The source is what a sender writes. Believed, it would let whoever may write to one topic move another's watermark
    over events that are not on record, and put words into its mouth.
    """
    if (envelope.source, envelope.topic) != (producer_of(message), topic_of(message)):
        raise InvalidEnvelope("An event does not come from where its type is at home.")


def plain(message: Message) -> dict[str, Any]:
    """Return a message as JSON data: names of enum values, hex of bytes, RFC 3339 times, seconds of durations."""
    return {field.name: _value(field, value) for field, value in message.ListFields()}


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.is_repeated:
        return [_single(field, item) for item in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Duration):
        return value.ToTimedelta().total_seconds()
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return value.hex() if isinstance(value, bytes) else value
