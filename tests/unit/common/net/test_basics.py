"""Ids, actors, the manual clock, the caller of a gRPC call, cursors."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.clock import SystemClock
from callward_common.errors import InvalidRequest, Unauthenticated
from callward_common.grpc.caller import calling_as, component_of, current_caller
from callward_common.grpc.tls import TlsIdentity
from callward_common.http.cursors import InvalidCursor, decode_cursor, encode_cursor
from callward_common.identity import Actor, ActorKind, service_actor
from callward_common.ids import new_id, parse_id
from tests.support.clock import ManualClock


def test_new_ids_are_canonical_distinct_and_in_order_of_time() -> None:
    made = [new_id() for _ in range(1000)]
    assert [parse_id(one) for one in made] == made
    assert len(set(made)) == 1000
    assert [one[:13] for one in made] == sorted(one[:13] for one in made)


_ID = "01938c3a-7b1e-7c55-9d0e-5a1f6f7b8c9d"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        _ID.upper(),
        "{" + _ID + "}",
        _ID + "\n",
        _ID[:14] + "4" + _ID[15:],
        "9" * 5000,
    ],
)
def test_anything_but_a_canonical_uuid7_is_refused_without_echo(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_id(text)
    assert not text or text not in refused.value.detail


def test_an_actor_has_an_id_unless_anonymous() -> None:
    assert service_actor("audit") == Actor(ActorKind.service, "audit")
    for kind, name in ((ActorKind.person, ""), (ActorKind.anonymous, "somebody")):
        with pytest.raises(ValueError, match="anonymous"):
            Actor(kind, name)


def test_clocks_are_aware_and_go_forward() -> None:
    assert SystemClock().now().tzinfo is UTC
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    before = clock.monotonic()
    clock.advance(timedelta(minutes=1))
    assert (clock.now(), clock.monotonic() - before) == (datetime(2026, 1, 1, 0, 1, tzinfo=UTC), 60.0)
    with pytest.raises(ValueError, match="back"):
        clock.advance(timedelta(seconds=-1))


def test_there_is_a_caller_only_within_a_call() -> None:
    with calling_as("ingest"):
        assert current_caller() == "ingest"
    with pytest.raises(Unauthenticated):
        current_caller()


def test_the_component_is_the_only_uri_of_the_certificate() -> None:
    names = [b"ingest.callward.internal", b"spiffe://callward/ingest"]
    assert component_of({"x509_subject_alternative_name": names}) == "ingest"


@pytest.mark.parametrize(
    "names",
    [
        [],
        [b"ingest.callward.internal"],
        [b"spiffe://callward/ingest", b"spiffe://callward/audit"],
        [b"spiffe://callward/ingest", b"https://example.org"],
        [b"spiffe://elsewhere/ingest"],
        [b"spiffe://callward/ingest/more"],
        [b"spiffe://callward/INGEST"],
        [b"spiffe://callward/"],
        [b"\xff\xfe://x"],
    ],
)
def test_any_other_certificate_names_nobody(names: list[bytes]) -> None:
    with pytest.raises(Unauthenticated):
        component_of({"x509_subject_alternative_name": names})


def test_a_private_key_is_not_shown() -> None:
    assert "hidden-key" not in repr(TlsIdentity(b"chain", b"hidden-key", b"roots"))


@given(st.text(max_size=40), st.integers(0, 2**63))
def test_a_cursor_comes_back_as_it_went(after: str, position: int) -> None:
    shape = {"after": str, "position": int}
    assert decode_cursor(encode_cursor({"after": after, "position": position}), shape) == {
        "after": after,
        "position": position,
    }


@given(st.text(max_size=600))
def test_a_cursor_of_anybody_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, {"after": str})


def test_a_cursor_of_another_shape_is_refused() -> None:
    for values in ({"after": 1}, {"after": "x", "more": "y"}, {}, {"position": True}):
        with pytest.raises(InvalidCursor):
            decode_cursor(encode_cursor(values), {"after": str})
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor({"position": True}), {"position": int})
