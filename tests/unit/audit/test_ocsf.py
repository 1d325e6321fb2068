"""Every event of every service has its place in OCSF, with the objects that its class asks for."""

import importlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from py_ocsf_models.events.base_event import BaseEvent
from py_ocsf_models.objects.api import API
from py_ocsf_models.objects.metadata import Metadata

from callward.options.v1.options_pb2 import Sensitivity
from callward_audit.domain.errors import UnmappedEvent
from callward_audit.domain.ocsf import SHAPES, encode, to_ocsf
from callward_audit.facts import fact as read_fact
from callward_audit.wiring import topics
from callward_common.events.envelope import Envelope
from callward_common.events.options import is_enforced, producer_of, sensitivity_of, topic_of
from callward_common.ids import new_id
from tests.support.clock import START
from tests.unit.audit.fakes import fact

SERVICES = ("access", "audit", "consent", "ingest", "keys", "retention")

# Read from the schema: class → (activities by number, objects that are required beside those of every event).
CLASSES: dict[int, tuple[dict[int, str], tuple[str, ...]]] = {
    3004: (
        {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 6: "Enroll", 7: "Unenroll", 9: "Disable"},
        ("entity",),
    ),
    6001: ({2: "Read", 5: "Search", 7: "Export"}, ("web_resources",)),
    6003: ({1: "Create", 2: "Read", 3: "Update", 4: "Delete"}, ("actor", "api", "src_endpoint")),
    6005: (
        {
            1: "Read",
            2: "Update",
            4: "Query",
            5: "Write",
            6: "Create",
            7: "Delete",
            9: "Encrypt",
            10: "Decrypt",
        },
        ("actor", "databucket", "src_endpoint"),
    ),
    6006: (
        {1: "Upload", 2: "Download", 4: "Delete", 9: "Preview", 14: "Open", 17: "Access Check"},
        ("actor", "file", "src_endpoint"),
    ),
}
ALWAYS = ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid")


def event_types() -> list[Descriptor]:
    found = []
    for service in SERVICES:
        file = importlib.import_module(f"callward.{service}.v1.events_pb2").DESCRIPTOR
        found += [each for each in file.message_types_by_name.values() if topic_of(each)]
    return found


EVENTS = event_types()
each_event = pytest.mark.parametrize("descriptor", EVENTS, ids=lambda each: each.full_name)


def filled(descriptor: Descriptor) -> Message:
    """A message of the type with every field set."""
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if field.message_type is not None:
            inner = filled(field.message_type)
            target = getattr(message, field.name)
            target.add().CopyFrom(inner) if field.is_repeated else target.CopyFrom(inner)
        elif field.is_repeated:
            getattr(message, field.name).append(sample(field))
        else:
            setattr(message, field.name, sample(field))
    return message


def sample(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[1].number
    kinds: dict[int, Any] = {
        FieldDescriptor.CPPTYPE_STRING: b"\x01\xfe" if field.type == FieldDescriptor.TYPE_BYTES else "text",
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_INT32: 7,
        FieldDescriptor.CPPTYPE_INT64: 7_000_000_000,
        FieldDescriptor.CPPTYPE_UINT32: 7,
        FieldDescriptor.CPPTYPE_DOUBLE: 0.5,
    }
    return kinds[field.cpp_type]


def envelope(message: Message) -> Envelope:
    return Envelope(
        id=new_id(),
        type=message.DESCRIPTOR.full_name,
        source=producer_of(message),
        time=START,
        tenant="mercy-general",
        topic=topic_of(message),
        key="key-1",
        sequence=5,
        enforced=True,
        traceparent=None,
        data=message.SerializeToString(),
    )


def test_every_event_has_a_shape_and_every_shape_an_event() -> None:
    assert {descriptor.full_name for descriptor in EVENTS} == set(SHAPES)
    assert len(EVENTS) > 20


def test_audit_consumes_the_topic_of_every_event() -> None:
    assert {topic_of(descriptor) for descriptor in EVENTS} == set(topics())


@each_event
def test_it_has_what_its_class_asks_for(descriptor: Descriptor) -> None:
    for message in (filled(descriptor), message_factory.GetMessageClass(descriptor)()):
        document = to_ocsf(read_fact(envelope(message)), log="2026-0", index=3)
        activities, required = CLASSES[document["class_uid"]]
        assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
        assert document["category_uid"] == document["class_uid"] // 1000
        known = document["activity_id"] == 99
        assert known or activities[document["activity_id"]] == document["activity_name"]
        for name in (*ALWAYS, *required):
            assert document[name] not in (None, "", {}, []), name
        check_objects(document)
        assert document["src_endpoint"]["name"] == producer_of(message)
        check_known_models(document)


def check_objects(document: dict[str, Any]) -> None:
    """The constraints of the objects: at least one name, types from their lists."""
    assert document["actor"]["user"]["uid"]
    assert document["actor"]["user"]["type_id"] in (0, 1, 3)
    if "file" in document:
        assert document["file"]["name"]
        assert document["file"]["type_id"] in (1, 2)
    if "databucket" in document:
        assert document["databucket"]["type_id"] == 99
        assert document["databucket"]["type"]
    if "entity" in document:
        assert document["entity"]["uid"]
    if "api" in document:
        assert document["api"]["operation"]
    for resource in document.get("web_resources", ()):
        assert resource["name"]


def check_known_models(document: dict[str, Any]) -> None:
    """The parts that a published model of OCSF knows, by that model: it has none of these classes."""
    Metadata.model_validate(document["metadata"])
    names = ("metadata", "severity_id", "status_id", "unmapped")
    BaseEvent.model_validate({name: document[name] for name in names})
    if "api" in document:
        API.model_validate(document["api"])


def everything_inside(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    for field in descriptor.fields:
        yield field
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            yield from everything_inside(field.message_type)


@each_event
def test_no_event_can_hold_phi_or_a_secret(descriptor: Descriptor) -> None:
    fields = list(everything_inside(descriptor))
    assert fields
    wrong = {Sensitivity.SENSITIVITY_PHI, Sensitivity.SENSITIVITY_SECRET}
    assert [field.full_name for field in fields if sensitivity_of(field) in wrong] == []


@each_event
def test_every_event_says_who_acted(descriptor: Descriptor) -> None:
    kind = descriptor.fields_by_name["actor"].message_type
    assert kind is not None
    assert kind.full_name == "callward.audit.v1.Actor"


def test_what_testifies_is_enforced() -> None:
    best_effort = {descriptor.name for descriptor in EVENTS if not is_enforced(descriptor)}
    assert best_effort == {"CallOpened", "CallEnded", "MediaServed", "RetentionPlanned"}


@each_event
def test_its_bytes_are_stable_and_sorted(descriptor: Descriptor) -> None:
    known = read_fact(envelope(filled(descriptor)))
    turned = replace(known, fields=dict(reversed(list(known.fields.items()))))
    first = encode(known, log="2026-0", index=3)
    assert first == encode(turned, log="2026-0", index=3)
    document = json.loads(first)
    assert json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == first
    assert document == to_ocsf(known, log="2026-0", index=3)
    assert b"\n" not in first


def test_the_leaf_says_which_event_it_is_where_and_when() -> None:
    known = read_fact(envelope(filled(EVENTS[0])))
    metadata = json.loads(encode(known, log="2026-0", index=3))["metadata"]
    assert metadata["uid"] == known.event_id
    assert (metadata["log_name"], metadata["sequence"], metadata["tenant_uid"]) == (
        "2026-0",
        3,
        "mercy-general",
    )
    assert metadata["event_code"] == EVENTS[0].full_name
    assert metadata["version"] == "1.8.0"
    assert metadata["product"]["vendor_name"] == "Callward"


def test_an_unknown_event_has_no_place() -> None:
    with pytest.raises(UnmappedEvent, match=r"callward\.new\.v1\.Thing"):
        encode(fact(1, event_type="callward.new.v1.Thing"), log="2026-0", index=0)


@pytest.mark.parametrize(
    ("action", "activity"),
    [
        ("listen", (14, "Open")),
        ("view", (9, "Preview")),
        ("download", (2, "Download")),
        ("share", (99, "Other")),
    ],
)
def test_listening_is_never_a_download(action: str, activity: tuple[int, str]) -> None:
    granted = replace(
        fact(1, event_type="callward.access.v1.AccessGranted"),
        fields={"action": action, "recording_id": "r-1"},
    )
    document = to_ocsf(granted, log="2026-0", index=0)
    assert (document["activity_id"], document["activity_name"]) == activity
    assert document["file"]["uid"] == "r-1"


def test_a_denial_says_so_and_names_no_file_that_was_not_named() -> None:
    denied = replace(
        fact(1, event_type="callward.access.v1.AccessDenied"),
        fields={"action": "list", "reason": "policy-forbids"},
    )
    document = to_ocsf(denied, log="2026-0", index=0)
    assert (document["status_id"], document["severity_id"]) == (2, 3)
    assert document["access_result"] == {"outcome": "denied", "reason": "policy-forbids"}
    assert document["file"] == {"name": "recordings", "type_id": 2}
    assert document["actor"]["user"]["uid"] == "anonymous"
    named = replace(denied, fields={**denied.fields, "recording_id": "r-1"})
    assert to_ocsf(named, log="2026-0", index=0)["file"]["uid"] == "r-1"


def test_people_machines_and_components_are_told_apart() -> None:
    def user(kind: str) -> dict[str, Any]:
        actor = {"kind": kind, "id": "x", "issuer": "https://i.example"}
        found: dict[str, Any] = to_ocsf(replace(fact(1), fields={"actor": actor}), log="l", index=0)["actor"]
        return found

    person, machine, service = (user(f"ACTOR_KIND_{kind}") for kind in ("PERSON", "MACHINE", "SERVICE"))
    assert person == {"user": {"type_id": 1, "uid": "x", "domain": "https://i.example"}}
    assert machine["user"]["type_id"] == 3
    assert service["app_name"] == "x"


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # bounds of aware times
def test_the_time_is_exact_to_the_millisecond(moment: datetime) -> None:
    milliseconds = to_ocsf(replace(fact(1), occurred_at=moment), log="l", index=0)["time"]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch + timedelta(milliseconds=milliseconds) <= moment
    assert moment < epoch + timedelta(milliseconds=milliseconds + 1)
    elsewhere = moment.astimezone(timezone(timedelta(hours=-8)))
    assert to_ocsf(replace(fact(1), occurred_at=elsewhere), log="l", index=0)["time"] == milliseconds


def test_bytes_are_hex_and_times_are_rfc_3339() -> None:
    from callward.ingest.v1.events_pb2 import CallEnded, RecordingSealed

    ended = CallEnded(call_id="c")
    ended.ended_at.FromDatetime(START)
    assert read_fact(envelope(ended)).fields["ended_at"] == "2026-11-24T09:00:00Z"
    sealed = RecordingSealed(manifest_sha256=b"\x01\xff")
    sealed.media.duration.FromTimedelta(timedelta(seconds=2.5))
    fields = read_fact(envelope(sealed)).fields
    assert (fields["manifest_sha256"], fields["media"]) == ("01ff", {"duration": 2.5})
