"""The server process: started under its own account, stopped in order, found again when we were killed."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callward_embedded.binaries import Binaries
from callward_embedded.errors import StartFailed
from callward_embedded.places import Account

#: Seconds between two looks at a process.
_LOOK = 0.02
#: Seconds that a fast, then an immediate shutdown may take.
_FAST, _IMMEDIATE = 30.0, 10.0
#: Bytes of the log that are kept when a start begins a new one.
_LOG_LIMIT = 10_000_000


def free_port() -> int:
    """Returns a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postmaster:
    """One PostgreSQL server on one cluster folder."""

    def __init__(self, binaries: Binaries, account: Account, cluster: Path, log: Path) -> None:
        """`log` is where the server's own messages go. The configuration lies beside it."""
        self._binaries, self._account, self._cluster, self._log = binaries, account, cluster, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process is not None and self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """How the server ended; None while it runs, or when it was never started."""
        return self._process.poll() if self._process is not None else None

    def run(self, program: str, arguments: Sequence[str]) -> None:
        """Runs a program to its end. Raises StartFailed with what it said."""
        command = [self._binaries.path(program), *arguments]
        surroundings = self._surroundings()
        done = subprocess.run(command, capture_output=True, check=False, **surroundings)  # noqa: S603  # ours
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
            raise StartFailed(f"{program} of PostgreSQL failed: {' '.join(said)}")

    def spawn(self) -> None:
        """Starts the server. Where the system can, it ends in order when this process dies."""
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".old"))
        command = [*_dies_with_parent(), self._binaries.path("postgres"), "-D", str(self._cluster)]
        for name, file in (("config_file", "postgresql.conf"), ("hba_file", "pg_hba.conf")):
            command += ["-c", f"{name}={self._log.with_name(file)}"]
        with self._log.open("ab") as log:
            self._log.chmod(0o600)
            # Its own session: Ctrl-C is for us, who stop the services before the database.
            self._process = subprocess.Popen(  # noqa: S603  # a program of PostgreSQL
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._surroundings(),
            )

    async def stop(self) -> None:
        """Ends the server: open transactions are rolled back, everything committed is on disk."""
        process = self._process
        if process is None:
            return
        for number, seconds in (
            (signal.SIGINT, _FAST),
            (signal.SIGQUIT, _IMMEDIATE),
            (signal.SIGKILL, _IMMEDIATE),
        ):
            if process.poll() is None:
                process.send_signal(number)
            if await _within(seconds, lambda: process.poll() is not None):
                break
        self._process = None

    async def end_orphan(self) -> None:
        """Ends a server that an earlier process of ours left behind, and removes what it left of its lock."""
        lock = self._cluster / "postmaster.pid"
        pid = _recorded_pid(lock)
        if pid is None:
            return
        for number, seconds in (
            (signal.SIGINT, _FAST),
            (signal.SIGQUIT, _IMMEDIATE),
            (signal.SIGKILL, _IMMEDIATE),
        ):
            if not self._serves(pid):
                break
            os.kill(pid, number)
            await _within(seconds, lambda: not self._serves(pid))
        # PostgreSQL itself would refuse when another process has been given the recorded number meanwhile.
        lock.unlink(missing_ok=True)

    def _serves(self, pid: int) -> bool:
        """Tells whether `pid` is a server of this very cluster: it names the folder among its arguments."""
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except FileNotFoundError:
            if Path("/proc/self/cmdline").exists():
                return False
            command = ["/bin/ps", "-o", "args=", "-p", str(pid)]
            listed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # a number of ours
            arguments = listed.stdout.strip().split(b" ")
        return os.fsencode(self._cluster) in arguments

    def _surroundings(self) -> dict[str, Any]:
        """An empty environment, so that nobody's PG variables decide; the account; a folder that it may be in."""
        surroundings: dict[str, Any] = {
            "env": {"LC_ALL": "C", "PATH": os.defpath},
            "cwd": "/",
            "umask": 0o077,
        }
        if self._account.switch:
            surroundings |= {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return surroundings


def _recorded_pid(lock: Path) -> int | None:
    try:
        return abs(int(lock.read_text().splitlines()[0]))
    except (FileNotFoundError, IndexError, ValueError):
        lock.unlink(missing_ok=True)
        return None


def _dies_with_parent() -> list[str]:
    """util-linux's setpriv asks the kernel for SIGINT (fast shutdown) at our death; others do not know the option."""
    program = shutil.which("setpriv", path=os.defpath) or shutil.which("setpriv")
    if program is None:
        return []
    prefix = [program, "--pdeathsig", "INT", "--"]
    known = subprocess.run([*prefix, "true"], capture_output=True, check=False, cwd="/")  # noqa: S603
    return prefix if known.returncode == 0 else []


async def _within(seconds: float, condition: Any) -> bool:
    """Waits until `condition()` holds; tells whether it did in time."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # a process has no event that lives in any loop
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        return False
    return True
