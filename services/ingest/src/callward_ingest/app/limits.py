"""The limits that the use cases hold to."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class PartLimits:
    """When a part of a resumable upload ends: sizes in bytes, ages in seconds.

    At `size`; at `live_size` once it is `live_age` old, so that a live call is acknowledged as it goes; at any size
    once it is `age` old. `count`: the most parts of one recording.
    """

    size: int = 8 * 1024**2
    live_size: int = 256 * 1024
    live_age: float = 5.0
    age: float = 15.0
    count: int = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of calls and uploads. Sizes in bytes, times in seconds where no timedelta.

    `max_open_uploads` and `max_bytes_a_day` (0: none) are of one tenant; `upload_lifetime` counts from creation.
    """

    max_body_bytes: int = 2 * 1024**3
    max_parallel_uploads: int = 256
    max_tenant_uploads: int = 256
    max_open_uploads: int = 1000
    max_bytes_a_day: int = 0
    upload_lifetime: timedelta = timedelta(hours=12)
    parts: PartLimits = PartLimits()
    clock_skew: timedelta = timedelta(minutes=5)
    max_mask: timedelta = timedelta(minutes=15)
    max_legs: int = 64
    max_marks: int = 2000
    claim_hold: timedelta = timedelta(minutes=5)
    claim_renew_seconds: float = 60.0
    retry_after_seconds: float = 2.0
