"""What must not stand in an event, wherever in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from callward.access.v1 import events_pb2 as access
from callward.audit.v1 import actor_pb2
from callward.audit.v1 import events_pb2 as audit
from callward.consent.v1 import events_pb2 as consent
from callward.ingest.v1 import events_pb2 as ingest
from callward.keys.v1 import events_pb2 as keys
from callward.options.v1.options_pb2 import Sensitivity
from callward.retention.v1 import events_pb2 as retention
from callward_common.events.options import sensitivity_of, topic_of
from callward_common.events.privacy import InvalidEvent, PhiInEvent, check_event
from tests.unit.common.events.protos import ALLOWED, FORBIDDEN, event, message

PLACES: dict[str, Callable[[Any], Any]] = {
    "nested": lambda part: event(one=part),
    "repeated": lambda part: event(many=[message("Part", public="fine"), part]),
    "oneof": lambda part: event(chosen_part=part),
    "map": lambda part: event(parts={"key": part}),
}
FILES = (access, audit, consent, ingest, keys, retention)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("field", FORBIDDEN)
def test_a_forbidden_value_is_refused_wherever_it_stands(place: str, field: str) -> None:
    with pytest.raises(PhiInEvent) as caught:
        check_event(PLACES[place](message("Part", **{field: "PLANTED"})))
    assert field in caught.value.detail
    assert "PLANTED" not in caught.value.detail


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("field", ALLOWED)
def test_an_allowed_value_is_not(place: str, field: str) -> None:
    check_event(PLACES[place](message("Part", **{field: "x"})))


def test_a_forbidden_field_without_a_value_is_not_refused() -> None:
    check_event(event(one=message("Part", phi="", unclassified="", public="x")))


@pytest.mark.parametrize(
    "fields",
    [
        {"chosen_text": "x"},
        {"names": ["x"]},
        {"unclassified_part": {"public": "x"}},
        {"unclassified_part": {}},
    ],
    ids=str,
)
def test_a_forbidden_field_of_the_event_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(PhiInEvent):
        check_event(event(**fields))


def test_the_chosen_member_of_a_oneof_counts_though_it_is_empty() -> None:
    with pytest.raises(PhiInEvent):
        check_event(event(chosen_text=""))


def test_a_map_of_texts_goes_by_the_sensitivity_of_its_field() -> None:
    check_event(event(texts={"key": "value"}))


def test_times_go_by_the_sensitivity_of_their_field() -> None:
    moment = Timestamp()
    moment.FromDatetime(datetime(2026, 11, 24, tzinfo=UTC))
    check_event(event(at=moment))


def test_a_field_of_a_later_version_is_refused() -> None:
    later = event()
    later.MergeFromString(b"\xfa\x07\x01x")
    with pytest.raises(PhiInEvent, match="does not know"):
        check_event(later)
    nested = event(one=message("Part", public="x"))
    nested.one.MergeFromString(b"\xfa\x07\x01x")
    with pytest.raises(PhiInEvent, match="does not know"):
        check_event(nested)


def test_a_message_without_topic_is_no_event() -> None:
    with pytest.raises(InvalidEvent, match="declares no topic"):
        check_event(message("Part", public="x"))


def test_an_event_says_who_acted() -> None:
    with pytest.raises(InvalidEvent, match="does not say who acted"):
        check_event(message("Event"))
    with pytest.raises(InvalidEvent, match="what kind of actor"):
        check_event(event(actor=actor_pb2.Actor(id="somebody")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.DESCRIPTOR.package)
def test_no_event_of_callward_has_a_field_that_it_could_not_fill(file: Any) -> None:
    events = [kind for kind in file.DESCRIPTOR.message_types_by_name.values() if topic_of(kind)]
    assert events
    for kind in events:
        assert "actor" in kind.fields_by_name
        assert list(forbidden(kind)) == []


def forbidden(kind: Any) -> list[str]:
    """Gives the fields of an event, and of the messages within, that check_event would refuse."""
    found = []
    for field in kind.fields:
        if sensitivity_of(field) in {Sensitivity.SENSITIVITY_PHI, Sensitivity.SENSITIVITY_SECRET}:
            found.append(field.full_name)
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            found += forbidden(field.message_type)
    return found
