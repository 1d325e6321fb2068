"""Fixtures of the e2e tier: two platforms in one background loop, and the doors of each."""

from tests.support.background import background
from tests.support.platform import callward, platform, strict, strict_platform
from tests.support.telemetry import telemetry

__all__ = ["background", "callward", "platform", "strict", "strict_platform", "telemetry"]
