"""Callward's own options of protos (callward/options/v1/options.proto), read from descriptors at run time."""

from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from callward.options.v1 import options_pb2
from callward.options.v1.options_pb2 import Component, Sensitivity


def topic_of(event: Message | type[Message] | Descriptor) -> str:
    """Returns the topic an event is published on; empty when the message is no event."""
    topic: str = _descriptor(event).GetOptions().Extensions[options_pb2.topic]
    return topic


def producer_of(event: Message | type[Message] | Descriptor) -> str:
    """Returns the name of the component that an event is one of; empty when the message is no event."""
    component = component_of(_descriptor(event).file)
    return "" if component is None or not topic_of(event) else component.name


def is_enforced(event: Message | type[Message] | Descriptor) -> bool:
    """Returns whether the event is kept by its producer until audit's watermark covers it."""
    enforced: bool = _descriptor(event).GetOptions().Extensions[options_pb2.enforced]
    return enforced


def sensitivity_of(field: FieldDescriptor) -> Sensitivity.ValueType:
    """Returns a field's sensitivity. A field without the option is SENSITIVITY_PHI."""
    stated: Sensitivity.ValueType = field.GetOptions().Extensions[options_pb2.sensitivity]
    return Sensitivity.SENSITIVITY_PHI if stated == Sensitivity.SENSITIVITY_UNSPECIFIED else stated


def component_of(file: FileDescriptor) -> Component | None:
    """Returns the component whose events a file declares, None when it declares none."""
    options = file.GetOptions()
    if not options.HasExtension(options_pb2.component):
        return None
    component: Component = options.Extensions[options_pb2.component]
    return component


def callers_of(service: ServiceDescriptor) -> frozenset[str]:
    """Returns the components that may call a service. Empty: nobody."""
    return frozenset(service.GetOptions().Extensions[options_pb2.callers])


def _descriptor(event: Message | type[Message] | Descriptor) -> Descriptor:
    # The stubs name two classes for one: what the upb runtime gives passes for a Descriptor.
    return cast("Descriptor", event if isinstance(event, Descriptor) else event.DESCRIPTOR)
