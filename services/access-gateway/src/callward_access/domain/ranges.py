"""Byte ranges: RFC 9110 section 14, one range per request."""

import re
from dataclasses import dataclass

from callward_access.domain.errors import RangeNotSatisfiable

_RANGE = re.compile(r"bytes=(\d{0,1000})-(\d{0,1000})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` to before `stop` of `size`. `partial` says whether a range was asked for."""

    start: int
    stop: int
    size: int
    partial: bool

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        """The Content-Range of a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


def select(header: str | None, if_range: str | None, etag: str, size: int) -> ByteRange:
    """Return the bytes to send. A Range that is malformed, multiple, or under another If-Range is ignored (RFC 9110 14.2).

    Raises RangeNotSatisfiable where the range is well-formed and none of it exists.
    """
    whole = ByteRange(0, size, size, partial=False)
    if header is None or (if_range is not None and if_range != etag):
        return whole
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return whole
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise _unsatisfiable(size)
        return ByteRange(size - length, size, size, partial=True)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return whole
    if first >= size:
        raise _unsatisfiable(size)
    return ByteRange(first, min(last + 1, size), size, partial=True)


def _unsatisfiable(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable("the range lies outside the media", extra={"size": size})
