"""Byte ranges as RFC 9110 section 14 has them, against an oracle that counts bytes one by one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callward_access.domain.errors import RangeNotSatisfiable
from callward_access.domain.ranges import ByteRange, select

ETAG = '"abc-original"'


def oracle(spec: str, size: int) -> range | None:
    """The bytes of a well-formed single range by trying each one; None where the form is not one."""
    first, dash, last = spec.partition("-")
    if not dash or not all(each == "" or (each.isascii() and each.isdigit()) for each in (first, last)):
        return None
    if first == "":
        if last == "":
            return None
        kept = [place for place in range(size) if place >= size - int(last)]
    elif last != "" and int(last) < int(first):
        return None
    else:
        end = int(last) if last else size
        kept = [place for place in range(size) if int(first) <= place <= end]
    return range(kept[0], kept[-1] + 1) if kept else range(0)


POSITION = st.one_of(st.just(""), st.integers(0, 40).map(str), st.just("0" * 30 + "7"), st.just("9" * 40))


@given(POSITION, POSITION, st.integers(0, 30))
@example("", "0", 10)
@example("5", "4", 10)
@example("", "", 10)
@example("10", "", 10)
def test_a_single_range_selects_what_counting_selects(first: str, last: str, size: int) -> None:
    spec = f"{first}-{last}"
    expected = oracle(spec, size)
    if expected is None:
        assert select(f"bytes={spec}", None, ETAG, size) == ByteRange(0, size, size, partial=False)
    elif len(expected) == 0:
        with pytest.raises(RangeNotSatisfiable) as refused:
            select(f"bytes={spec}", None, ETAG, size)
        assert refused.value.http_headers["Content-Range"] == f"bytes */{size}"
        assert refused.value.http_status == 416
    else:
        selected = select(f"bytes={spec}", None, ETAG, size)
        assert (selected.start, selected.stop, selected.partial) == (expected.start, expected.stop, True)
        assert selected.content_range == f"bytes {expected.start}-{expected.stop - 1}/{size}"
        assert selected.length == len(expected)


@given(st.text(max_size=20))
def test_any_other_text_is_ignored_or_a_range(text: str) -> None:
    try:
        selected = select(text, None, ETAG, 10)
    except RangeNotSatisfiable:
        return
    assert 0 <= selected.start < selected.stop <= 10
    if not text.strip().lower().startswith("bytes="):
        assert not selected.partial


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4",
        "bytes=0-1, 3-4",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes 0-1",
        "items=0-1",
        "bytes=--1",
        "bytes=-1-2",
        "bytes=0x1-2",
        "bytes=٣-٤",
        "bytes=+1-2",
        "",
    ],
)
def test_what_is_malformed_or_multiple_is_ignored(header: str) -> None:
    assert select(header, None, ETAG, 10) == ByteRange(0, 10, 10, partial=False)


def test_units_have_no_case() -> None:
    assert select("BYTES=2-3", None, ETAG, 10).partial


@pytest.mark.parametrize(
    "if_range", ['W/"abc-original"', '"other"', "abc-original", "Tue, 24 Nov 2026 09:00:00 GMT", ""]
)
def test_under_another_if_range_the_whole_is_sent(if_range: str) -> None:
    assert select("bytes=2-3", if_range, ETAG, 10) == ByteRange(0, 10, 10, partial=False)
    assert select("bytes=99-", if_range, ETAG, 10) == ByteRange(0, 10, 10, partial=False)


def test_under_the_same_strong_etag_the_range_is_sent() -> None:
    assert select("bytes=2-3", ETAG, ETAG, 10) == ByteRange(2, 4, 10, partial=True)


def test_if_range_without_a_range_means_nothing() -> None:
    assert select(None, ETAG, ETAG, 10) == ByteRange(0, 10, 10, partial=False)
