"""Ctrl-C and SIGTERM: the first stops in order and keeps what is needed to go on, the second ends at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: A shell shows a program that was ended by a signal as 128 plus its number.
SIGNALLED: Final = 128


class Interrupts:
    """Which signal came first, if any."""

    def __init__(self) -> None:
        self.first: int | None = None

    @property
    def exit_code(self) -> int | None:
        """The exit code after a signal; None when none came."""
        return None if self.first is None else SIGNALLED + self.first


@contextmanager
def interrupts(on_first: Callable[[], None], on_second: Callable[[], None]) -> Iterator[Interrupts]:
    """Hear signals in the running loop. `on_first` stops the work; after `on_second` the process is gone."""
    heard, loop = Interrupts(), asyncio.get_running_loop()

    def hear(number: int) -> None:
        if heard.first is not None:
            on_second()
            os._exit(SIGNALLED + number)
        heard.first = number
        on_first()

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, hear, int(number))
    try:
        yield heard
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
