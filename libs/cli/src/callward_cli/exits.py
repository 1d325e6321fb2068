"""Exit codes of the command, and errors that end it in one clear line."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of `callward` means."""

    ok = 0
    failed = 1  # a check does not hold, a step of the demo was not as promised, or a recording was refused or set apart
    usage = 2  # the command line or a file cannot be understood
    platform = 3  # the platform could not start, broke down, or cannot be reached


class CommandError(Exception):
    """An error that ends the command. `message` is one line for people, without PHI and secrets."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
