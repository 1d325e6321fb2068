"""The limits that the use cases hold to."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of calls and uploads. Sizes in bytes, times in seconds where no timedelta."""

    max_body_bytes: int = 2 * 1024**3
    max_parallel_uploads: int = 256
    clock_skew: timedelta = timedelta(minutes=5)
    claim_hold: timedelta = timedelta(minutes=5)
    claim_renew_seconds: float = 60.0
    retry_after_seconds: float = 2.0
