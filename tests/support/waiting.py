"""Waiting on conditions from tests that run outside an event loop."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
_LOOK: Final = 0.1


def eventually(attempt: Callable[[], T | None], what: str, *, within: float = 30.0) -> T:
    """Returns what `attempt` returns as soon as that is true, in Python's sense; fails naming `what` otherwise."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while True:
        found = attempt()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about within {within:g} seconds")
        pause.wait(_LOOK)
