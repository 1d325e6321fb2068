"""Envelopes, their headers, and the actors of events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward.access.v1.events_pb2 import AccessGranted
from callward.audit.v1 import actor_pb2
from callward_common.events.actors import actor_from_proto, actor_to_proto
from callward_common.events.envelope import Envelope, InvalidEnvelope, UnknownEvent, from_headers
from callward_common.identity import Actor, ActorKind

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
ENVELOPES = st.builds(
    Envelope,
    id=st.uuids(version=4).map(str),
    type=TEXT,
    source=TEXT,
    time=st.datetimes(timezones=st.just(UTC)),
    tenant=TEXT,
    topic=TEXT,
    key=TEXT,
    sequence=st.integers(0, 2**63 - 1),
    enforced=st.booleans(),
    traceparent=st.none() | TEXT,
    data=st.binary(max_size=100),
)
EXAMPLE = Envelope(
    id="018f2d5e-0000-7000-8000-000000000001",
    type="callward.access.v1.AccessGranted",
    source="access-gateway",
    time=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
    tenant="mercy",
    topic="callward.access.v1",
    key="r",
    sequence=7,
    enforced=True,
    traceparent=None,
    data=AccessGranted(action="listen").SerializeToString(),
)


@given(ENVELOPES)
def test_headers_give_the_envelope_again(envelope: Envelope) -> None:
    headers = envelope.to_headers()
    again = from_headers(headers, topic=envelope.topic, key=envelope.key, data=envelope.data)
    assert again == envelope


def test_the_headers_are_those_of_the_cloudevents_kafka_binding() -> None:
    assert dict(EXAMPLE.to_headers()) == {
        "ce_specversion": b"1.0",
        "ce_id": b"018f2d5e-0000-7000-8000-000000000001",
        "ce_type": b"callward.access.v1.AccessGranted",
        "ce_source": b"access-gateway",
        "ce_time": b"2026-11-24T09:00:00Z",
        "ce_tenant": b"mercy",
        "ce_sequence": b"7",
        "ce_enforced": b"true",
        "content-type": b"application/protobuf",
    }


def test_a_time_with_an_offset_is_taken_as_utc() -> None:
    local = replace(EXAMPLE, time=EXAMPLE.time.astimezone(timezone(timedelta(hours=-8))))
    assert dict(local.to_headers())["ce_time"] == b"2026-11-24T09:00:00Z"


@pytest.mark.parametrize("missing", [name for name, _ in EXAMPLE.to_headers()])
def test_a_missing_header_is_refused(missing: str) -> None:
    headers = [header for header in EXAMPLE.to_headers() if header[0] != missing]
    with pytest.raises(InvalidEnvelope):
        from_headers(headers, topic="t", key="k", data=b"")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("content-type", b"application/json"),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-11-24T09:00:00"),
        ("ce_sequence", b"seven"),
        ("ce_enforced", b"True"),
        ("ce_tenant", b"\xff"),
    ],
)
def test_a_malformed_header_is_refused_and_not_repeated(name: str, value: bytes) -> None:
    headers = {**dict(EXAMPLE.to_headers()), name: value}
    with pytest.raises(InvalidEnvelope) as caught:
        from_headers(headers.items(), topic="t", key="k", data=b"")
    assert value.decode(errors="replace") not in caught.value.detail


def test_the_message_of_an_envelope() -> None:
    assert EXAMPLE.message() == AccessGranted(action="listen")
    assert EXAMPLE.parse(AccessGranted).action == "listen"


def test_an_unknown_type_is_said_to_be() -> None:
    with pytest.raises(UnknownEvent, match=r"callward\.future\.v9\.Event"):
        replace(EXAMPLE, type="callward.future.v9.Event").message()


def test_broken_data_are_refused() -> None:
    with pytest.raises(InvalidEnvelope):
        replace(EXAMPLE, data=b"\xff\xff").message()


@pytest.mark.parametrize("kind", ActorKind)
def test_an_actor_comes_back_from_its_event(kind: ActorKind) -> None:
    known = kind is not ActorKind.anonymous
    actor = Actor(kind, "ann" if known else "", "https://idp.example" if known else "")
    assert actor_from_proto(actor_to_proto(actor)) == actor


@pytest.mark.parametrize(
    "message",
    [
        actor_pb2.Actor(),
        actor_pb2.Actor(id="ann"),
        actor_pb2.Actor(kind=actor_pb2.ACTOR_KIND_PERSON),
        actor_pb2.Actor(kind=actor_pb2.ActorKind.ValueType(99), id="ann"),
    ],
    ids=["nothing", "no-kind", "no-id", "unknown-kind"],
)
def test_an_actor_that_says_too_little_is_refused(message: actor_pb2.Actor) -> None:
    with pytest.raises(InvalidEnvelope):
        actor_from_proto(message)
