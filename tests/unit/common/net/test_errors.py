"""The error type and its three shapes: gRPC, HTTP problem, and back."""

import json

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common import errors
from callward_common.errors import STATUS, CallwardError, Category, RemoteError, known_errors, to_problem
from callward_common.grpc.status import MAX_BYTES, METADATA_KEY, from_grpc, to_grpc

COMMON = [kind for kind in known_errors() if kind.__module__ == errors.__name__ and kind is not RemoteError]


class _ServiceError(CallwardError):
    category = Category.precondition
    type = "consent-required"
    title = "Consent required"


def test_every_category_has_a_grpc_status_and_an_http_status() -> None:
    assert set(STATUS) == set(Category)
    assert all(hasattr(grpc.StatusCode, name) and 400 <= http <= 599 for name, http in STATUS.values())


def test_types_are_unique_and_kebab_case() -> None:
    types = [kind.type for kind in COMMON]
    assert len(types) == len(set(types))
    assert all(slug == slug.lower() and " " not in slug and "_" not in slug for slug in types)


@pytest.mark.parametrize("kind", COMMON)
def test_a_common_error_arrives_as_its_class(kind: type[CallwardError]) -> None:
    code, _, metadata = to_grpc(kind("A detail.", extra={"limit": 3}, retry_after=1.5))
    arrived = from_grpc(code, metadata, "consent")
    assert (arrived.type, arrived.category, arrived.detail) == (kind.type, kind.category, "A detail.")
    assert (arrived.extra, arrived.retry_after) == ({"limit": 3}, 1.5)
    assert type(arrived) is kind


def test_an_error_of_a_service_arrives_as_remote_error_even_when_its_class_is_loaded() -> None:
    code, _, metadata = to_grpc(_ServiceError("No consent.", extra={"rule": "CA"}))
    arrived = from_grpc(code, metadata, "consent")
    assert type(arrived) is RemoteError
    assert (arrived.type, arrived.category, arrived.http_status) == (
        "consent-required",
        Category.precondition,
        409,
    )
    assert to_problem(arrived, "r")["type"] == "urn:callward:problem:consent-required"


@given(
    st.text(),
    st.dictionaries(st.text(), st.text() | st.integers() | st.none()),
    st.none() | st.floats(0, 1e6),
)
def test_metadata_is_bounded_and_what_fits_survives(
    detail: str, extra: dict[str, str | int | None], after: float | None
) -> None:
    code, _, metadata = to_grpc(errors.Conflict(detail, extra=extra, retry_after=after))
    assert len(metadata[0][1]) <= MAX_BYTES
    arrived = from_grpc(code, metadata, "ingest")
    assert (type(arrived), arrived.retry_after) == (errors.Conflict, after)
    if len(json.dumps([detail, extra])) < 3000:
        assert (arrived.detail, arrived.extra) == (detail, extra)


def test_an_error_too_large_for_metadata_keeps_its_type() -> None:
    code, _, metadata = to_grpc(errors.NotFound("\N{SNOWMAN}" * 9000, extra={"x": "y" * 9000}))
    assert len(metadata[0][1]) <= MAX_BYTES
    assert type(from_grpc(code, metadata, "audit")) is errors.NotFound


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'{"type":"x"}', b'{"type":"x","detail":"","category":"?"}', b"\xff"]
)
def test_unreadable_metadata_is_an_internal_error(body: bytes) -> None:
    assert type(from_grpc(grpc.StatusCode.NOT_FOUND, ((METADATA_KEY, body),), "keys")) is errors.InternalError


def test_without_metadata_the_status_decides() -> None:
    assert type(from_grpc(grpc.StatusCode.UNAVAILABLE, None, "keys")) is errors.Unavailable
    assert type(from_grpc(grpc.StatusCode.DEADLINE_EXCEEDED, (), "keys")) is errors.DeadlineExceeded
    assert type(from_grpc(grpc.StatusCode.UNKNOWN, (), "keys")) is errors.InternalError


def test_extras_do_not_overwrite_the_standard_members_of_a_problem() -> None:
    problem = to_problem(errors.NotFound("Gone.", extra={"status": 200, "type": "x", "hint": "h"}), "req")
    assert problem == {
        "type": "urn:callward:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "Gone.",
        "request_id": "req",
        "hint": "h",
    }


def test_retry_after_is_a_header_in_whole_seconds() -> None:
    assert errors.Unavailable("x", retry_after=0.2).http_headers == {"Retry-After": "1"}
    assert errors.Unavailable("x").http_headers == {}
