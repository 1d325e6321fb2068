"""`callward dev` in a process of its own, which tests may kill."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.doors import Callward, Doors
from tests.support.waiting import eventually

COMMAND = (sys.executable, "-c", "from callward_cli.main import main; main()")
_READY = "Ctrl-C stops it."


class DevProcess:
    """A running `callward dev` on a data folder."""

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str] | None = None,
        *,
        under: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts it, on free ports; `wait_ready` comes next. `under`: the beginning of a command that runs it.

        `command`: what is `callward` to the test.
        """
        self.data_dir = data_dir
        self._output: list[str] = []
        self._errors: list[str] = []
        ports = ("--ingest-port", "0", "--access-port", "0", "--audit-port", "0")
        self.process = subprocess.Popen(
            [*under, *command, "dev", "--data-dir", str(data_dir), *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **(environment or {})},
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=lambda: self._output.extend(self.process.stdout or ()), daemon=True),
            threading.Thread(target=lambda: self._errors.extend(self.process.stderr or ()), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def output(self) -> str:
        """What it has printed."""
        return "".join(self._output)

    @property
    def errors(self) -> str:
        """What it has logged."""
        return "".join(self._errors)

    def wait_ready(self) -> Callward:
        """Returns the doors once everything serves."""

        def ready() -> bool:
            assert self.process.poll() is None, self.output + self.errors
            return _READY in self.output

        eventually(ready, "callward dev", within=90)
        doors = dict(
            re.findall(r"(http://\S+)  (for call platforms|for people|for SIEM|tokens)", self.output)
        )
        found = {what: url for url, what in doors.items()}
        return Callward.at(
            Doors(
                ingest=found["for call platforms"],
                access=found["for people"],
                audit=found["for SIEM"],
                issuers=found["tokens"],
            ),
            self.data_dir / "issuer" / "accounts.json",
        )

    def end(self, number: signal.Signals) -> int:
        """Sends a signal, waits, and returns the exit code (negative: the signal that ended it)."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        for reader in self._readers:
            reader.join(timeout=10)
        return code


@contextmanager
def dev(
    data_dir: Path,
    environment: Mapping[str, str] | None = None,
    *,
    under: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> Iterator[DevProcess]:
    """A `callward dev` that is stopped at the end of the block, if it still runs."""
    started = DevProcess(data_dir, environment, under=under, command=command)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGTERM)
