"""Sets of integers as a few spans, in order and apart."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Spans:
    """A set of integers, kept as spans (first, after the last)."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Gives the spans in order; no two touch."""
        return iter(tuple(self._spans))

    def add(self, first: int, stop: int) -> None:
        """Adds first … stop - 1. Nothing happens when that is none."""
        if first >= stop:
            return
        begin = bisect_left(self._spans, first, key=lambda span: span[1])
        end = bisect_right(self._spans, stop, key=lambda span: span[0])
        touched = self._spans[begin:end]
        merged = (min(first, touched[0][0]), max(stop, touched[-1][1])) if touched else (first, stop)
        self._spans[begin:end] = [merged]

    def remove(self, first: int, stop: int) -> None:
        """Takes first … stop - 1 out. Nothing happens when that is none."""
        if first >= stop:
            return
        kept: list[tuple[int, int]] = []
        for begin, end in self._spans:
            kept += [
                part for part in ((begin, min(end, first)), (max(begin, stop), end)) if part[0] < part[1]
            ]
        self._spans = kept

    def covers(self, first: int, stop: int) -> bool:
        """Tells whether every one of first … stop - 1 is in the set."""
        if first >= stop:
            return True
        index = bisect_right(self._spans, first, key=lambda span: span[0]) - 1
        return index >= 0 and self._spans[index][1] >= stop

    def within(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Gives the spans of what is in the set among first … stop - 1."""
        found: list[tuple[int, int]] = []
        for index in range(bisect_right(self._spans, first, key=lambda span: span[1]), len(self._spans)):
            begin, end = self._spans[index]
            if begin >= stop:
                break
            found.append((max(begin, first), min(end, stop)))
        return found
