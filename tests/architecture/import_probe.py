"""Imports the modules named on standard input and prints, as JSON, what the imports did besides.

Run by test_side_effects.py in a process of its own, with an empty environment. Arguments: the folders whose code
is looked at. What a library does while it is imported is its own affair; what it does because our code calls it
while *we* are imported is ours.
"""

import importlib
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

IMPORT_MACHINERY = "<frozen importlib._bootstrap>"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
ACTS = {
    "os.chdir",
    "os.chmod",
    "os.fork",
    "os.mkdir",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.system",
    "os.unsetenv",
    "socket.__new__",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "tempfile.mkdtemp",
    "tempfile.mkstemp",
}
ROOTS = tuple(os.path.realpath(folder) + os.sep for folder in sys.argv[1:])
effects: list[str] = []


def ours(frame: FrameType | None) -> str | None:
    """The line of our code that caused this, unless an import stands between."""
    while frame is not None and frame.f_code.co_filename != IMPORT_MACHINERY:
        if os.path.realpath(frame.f_code.co_filename).startswith(ROOTS):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note an act that our code causes."""
    acts = event in ACTS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES)
    if acts and (place := ours(sys._getframe(1))):
        effects.append(f"{place} {event}")


def state() -> dict[str, object]:
    """What an import must leave as it found it."""
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "environment": dict(os.environ),
        "log handlers": [str(handler) for handler in logging.getLogger().handlers],
        "signals": {
            number.name: str(signal.getsignal(number))
            for number in signal.valid_signals()
            if hasattr(number, "name")
        },
        "directory": str(Path.cwd()),
    }


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Say what differs."""
    return [f"{key}: {before[key]} became {after[key]}" for key in before if before[key] != after[key]]


def probe(names: list[str]) -> dict[str, list[str]]:
    """Import each module; returns the effects and failures by module, those without any left out."""
    sys.addaudithook(watch)
    found: dict[str, list[str]] = {}
    for name in names:
        before = state()
        try:
            importlib.import_module(name)
        except BaseException as error:
            effects.append("".join(traceback.format_exception_only(error)).strip())
        effects.extend(changes(before, state()))
        if effects:
            found[name] = list(effects)
            effects.clear()
    return found


if __name__ == "__main__":
    # The probe's own work must not count as a change: Python settles these on first use.
    state()
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
