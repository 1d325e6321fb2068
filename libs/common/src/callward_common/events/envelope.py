"""The envelope of an event: CloudEvents 1.0 attributes, in headers as its Kafka protocol binding names them."""

import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from callward_common.errors import CallwardError

Headers = Sequence[tuple[str, bytes]]

M = TypeVar("M", bound=Message)

_CONTENT_TYPE = ("content-type", b"application/protobuf")


class UnknownEvent(CallwardError):
    """An event's type is not known to this process: from a newer version, or its module was never imported."""

    type = "unknown-event"
    title = "Unknown event type"


class InvalidEnvelope(CallwardError):
    """A record on the bus is not an event of Callward: a header is missing or its data cannot be parsed."""

    type = "invalid-envelope"
    title = "Invalid event envelope"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event on its way. (source, sequence) is unique and gapless; id is unique among all."""

    id: str
    type: str
    source: str
    time: datetime
    tenant: str
    topic: str
    key: str
    sequence: int
    enforced: bool
    traceparent: str | None
    data: bytes

    def message(self) -> Message:
        """Returns the parsed event. Raises UnknownEvent for an unknown type, InvalidEnvelope for broken data."""
        try:
            descriptor = descriptor_pool.Default().FindMessageTypeByName(self.type)
        except KeyError:
            raise UnknownEvent(f"The event type {self.type} is not known here.") from None
        return self.parse(message_factory.GetMessageClass(descriptor))

    def parse(self, kind: builtins.type[M]) -> M:
        """Returns the data parsed as `kind`. Raises InvalidEnvelope when they are not of that type."""
        try:
            return kind.FromString(self.data)
        except DecodeError:
            raise InvalidEnvelope(f"The data of an event are not a {self.type}.") from None

    def to_headers(self) -> Headers:
        """Returns the attributes as Kafka headers. Topic, key and data travel as those of the record."""
        attributes = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "tenant": self.tenant,
            "sequence": str(self.sequence),
            "enforced": str(self.enforced).lower(),
            **({} if self.traceparent is None else {"traceparent": self.traceparent}),
        }
        return [*((f"ce_{name}", text.encode()) for name, text in attributes.items()), _CONTENT_TYPE]


def from_headers(headers: Iterable[tuple[str, bytes]], *, topic: str, key: str, data: bytes) -> Envelope:
    """Returns the envelope of a record. Raises InvalidEnvelope when a header is missing or malformed."""
    found = dict(headers)
    try:
        text = {name[3:]: value.decode() for name, value in found.items() if name.startswith("ce_")}
        time = datetime.fromisoformat(text["time"])
        if (text["specversion"], found["content-type"]) != ("1.0", _CONTENT_TYPE[1]) or time.tzinfo is None:
            raise InvalidEnvelope("A record is not a CloudEvents 1.0 event with protobuf data.")
        return Envelope(
            id=text["id"],
            type=text["type"],
            source=text["source"],
            time=time.astimezone(UTC),
            tenant=text["tenant"],
            topic=topic,
            key=key,
            sequence=int(text["sequence"]),
            enforced={"true": True, "false": False}[text["enforced"]],
            traceparent=text.get("traceparent"),
            data=data,
        )
    except (KeyError, ValueError):
        raise InvalidEnvelope("A header of an event is missing or malformed.") from None
