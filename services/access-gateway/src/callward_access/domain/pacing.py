"""The pace of listening: `listen` is not `download`."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Pace:
    """How fast a listening session may be served: `lead` at once, then `factor` times real time."""

    bytes_per_second: int
    lead: timedelta
    factor: float

    def __post_init__(self) -> None:
        if self.bytes_per_second <= 0 or self.factor <= 0 or self.lead < timedelta(0):
            raise ValueError("a pace needs a positive rate")

    def allowance(self, elapsed: float) -> int:
        """Return how many bytes may have been sent `elapsed` seconds after the session's first byte."""
        return int(self.bytes_per_second * (self.lead.total_seconds() + self.factor * elapsed))

    def played(self, elapsed: float) -> float:
        """Return how many bytes `elapsed` seconds let pass, the lead aside."""
        return self.bytes_per_second * self.factor * elapsed

    def wait(self, sent: float, elapsed: float) -> float:
        """Return the seconds to wait before `sent` bytes in all may have left; 0 when they may now."""
        missing = sent - self.allowance(elapsed)
        return max(0.0, missing / (self.bytes_per_second * self.factor))
