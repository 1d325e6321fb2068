"""What may stand in an event. What enters a ledger cannot be destroyed, so it is refused when it is written."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from callward.audit.v1.actor_pb2 import ACTOR_KIND_UNSPECIFIED, Actor
from callward.options.v1.options_pb2 import Sensitivity
from callward_common.errors import CallwardError
from callward_common.events.options import sensitivity_of, topic_of

_ALLOWED = frozenset(
    {Sensitivity.SENSITIVITY_PUBLIC, Sensitivity.SENSITIVITY_OPERATIONAL, Sensitivity.SENSITIVITY_PSEUDONYM}
)

#: Messages without options of ours that hold a time or a length and nothing else: the field that has one decides.
_TIMES = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})


class PhiInEvent(CallwardError):
    """A message holds a value that must not enter the log: PHI, a secret, or a field that nobody classified."""

    type = "phi-in-event"
    title = "An event holds a value that must not be published"


class InvalidEvent(CallwardError):
    """A message is no event: it declares no topic, does not say who acted, or is larger than the limit."""

    type = "invalid-event"
    title = "A message is not a valid event"


def check_event(message: Message) -> None:
    """Returns when the message may be published, else raises InvalidEvent or PhiInEvent, naming fields, not values."""
    if not topic_of(message):
        raise InvalidEvent(f"{message.DESCRIPTOR.full_name} declares no topic.")
    for field, value in message.ListFields():
        if field.message_type is Actor.DESCRIPTOR and value.kind == ACTOR_KIND_UNSPECIFIED:
            raise InvalidEvent(f"{field.full_name} does not say what kind of actor it is.")
    if "actor" in message.DESCRIPTOR.fields_by_name and not message.HasField("actor"):
        raise InvalidEvent(f"{message.DESCRIPTOR.full_name} does not say who acted.")
    _check_fields(message)


def _check_fields(message: Message) -> None:
    if message.DESCRIPTOR.full_name in _TIMES:
        return
    if len(UnknownFieldSet(message)):
        raise PhiInEvent(f"{message.DESCRIPTOR.full_name} holds a field that this version does not know.")
    for field, value in message.ListFields():
        if sensitivity_of(field) not in _ALLOWED:
            raise PhiInEvent(f"{field.full_name} must not stand in an event.")
        for part in _messages(field, value):
            _check_fields(part)


def _messages(field: FieldDescriptor, value: Any) -> Iterable[Message]:
    """Yields the messages inside a field. A map's synthetic entry has no options: the map's field decides for it."""
    kind = field.message_type
    if kind is None:
        return ()
    if kind.GetOptions().map_entry:
        return value.values() if kind.fields_by_name["value"].message_type is not None else ()
    return value if field.is_repeated else (value,)
