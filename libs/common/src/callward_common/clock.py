"""Time is passed in: everything that needs the time takes a Clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock and of elapsed time."""

    def now(self) -> datetime:
        """Returns the present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Returns seconds that never go back, from an arbitrary start: for measuring how long something took."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Returns the machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns the machine's monotonic seconds."""
        return time.monotonic()
