"""A clock that stands still until it is told to go on."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class ManualClock:
    """A Clock whose two times move together, only by `advance`."""

    def __init__(self, start: datetime = START) -> None:
        """`start` is aware."""
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time")
        self._now, self._monotonic = start.astimezone(UTC), 1000.0

    def now(self) -> datetime:
        """Returns the time."""
        return self._now

    def monotonic(self) -> float:
        """Returns the elapsed seconds."""
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        """Moves both times on."""
        if by < timedelta(0):
            raise ValueError("time does not go back")
        self._now += by
        self._monotonic += by.total_seconds()
