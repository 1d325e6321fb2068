"""The example call: a real recorded one, with its metadata."""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from callward_cli.exits import CommandError, Exit

NAME = "two-party-call"
#: Seconds 3 to 6 are played by range before the whole is.
FIRST_SECOND, LAST_SECOND = 3, 6
_WAV_HEADER = 58
_BYTES_PER_SECOND = 16_000


@dataclass(frozen=True)
class ExampleCall:
    """The recording's bytes and what a call platform would post about it."""

    audio: bytes
    metadata: dict[str, Any]

    @property
    def seconds_3_to_6(self) -> tuple[int, int]:
        """The first and last byte of seconds 3 to 6."""
        first = _WAV_HEADER + FIRST_SECOND * _BYTES_PER_SECOND
        return first, _WAV_HEADER + LAST_SECOND * _BYTES_PER_SECOND - 1

    @property
    def identifying(self) -> list[str]:
        """Everything in the metadata that identifies somebody."""
        call = self.metadata["call"]
        numbers = [party["telephone"] for party in call["parties"]]
        return [
            *numbers,
            *(number.lstrip("+") for number in numbers),
            call["patientReference"],
            call["agentId"],
        ]


def load() -> ExampleCall:
    """Return the example call, from the checkout or the installed package. Raises CommandError when it is damaged."""
    folder = _folder()
    metadata = json.loads((folder / f"{NAME}.json").read_text(encoding="utf-8"))
    audio = (folder / f"{NAME}.wav").read_bytes()
    if hashlib.sha256(audio).hexdigest() != metadata["recording"]["sha256"]:
        raise CommandError(
            "the example call is damaged: its hash is not the one in its metadata", Exit.platform
        )
    return ExampleCall(audio, metadata)


def _folder() -> Path:
    installed = Path(str(resources.files("callward_cli"))) / "examples"
    checkout = Path(__file__).parents[5] / "examples"
    for folder in (installed, checkout):
        if (folder / f"{NAME}.wav").is_file():
            return folder
    raise CommandError(
        "the example call is not there: this is neither a checkout nor a complete package", Exit.platform
    )
