"""The two sides of a comparison, each a process of its own: `callward dev`, and the raw store of bench/raw_store.py."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from tests.support.doors import Callward
from tests.support.journeys import consented_call, session
from tests.support.process import dev

#: With a core reserved, the server under test has the first one and everything else the second.
_SERVER, _REST = {0}, {1}
#: The most that one read of an answer takes.
READ_BYTES: Final = 1024 * 1024


@dataclass
class Server:
    """A server under test: where it is, and what its process has used."""

    base: str
    process: psutil.Process
    connections: dict[str, HTTPConnection] = field(default_factory=dict)

    def cpu(self) -> float:
        """Seconds of processor time of the process itself, all threads."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def database_cpu(self) -> float:
        """Seconds of processor time of the processes under it: those of PostgreSQL, or none."""
        total = 0.0
        for child in self.process.children(recursive=True):
            try:
                used = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += used.user + used.system + used.children_user + used.children_system
        return total

    def idle_cores(self, seconds: float = 5.0) -> float:
        """Measures how many cores the process uses while nothing is asked of it."""
        time.sleep(seconds)  # what was asked before is on record by now
        before, begun = self.cpu(), time.perf_counter()
        time.sleep(seconds)
        return (self.cpu() - before) / (time.perf_counter() - begun)

    def memory(self, name: str) -> int:
        """Bytes of a field of /proc/PID/status, such as VmRSS or VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(name)

    def reserve_core(self) -> None:
        """Gives the process, all its threads, a core of its own; what runs under it and this process have the other."""
        for child in self.process.children(recursive=True):
            _pin(child, _REST)
        _pin(self.process, _SERVER)
        _pin(psutil.Process(), _REST)


def connect(base: str) -> HTTPConnection:
    """A connection to a server, opened at its first request."""
    where = urlsplit(base)
    return HTTPConnection(where.hostname or "", where.port, timeout=120)


def ask(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    expect: int,
) -> tuple[HTTPResponse, bytes]:
    """Sends one request and reads the whole answer, which must have the status `expect`."""
    connection.request(method, path, body=body, headers=dict(headers))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != expect:
        raise SystemExit(f"{method} {path}: {answer.status} instead of {expect}: {content[:500]!r}")
    return answer, content


@dataclass
class Sealed(Server):
    """`callward dev` as its callers see it."""

    callward: Callward = field(kw_only=True)
    access: str = field(kw_only=True)
    call_id: str = field(kw_only=True)

    def upload(self, connection: HTTPConnection, body: bytes) -> str:
        """Sends a recording through the plain door; returns its id. Sealed, durable and on record on return."""
        headers = {
            "Authorization": f"Bearer {self.callward.call_platform().token}",
            "Content-Type": "audio/wav",
            "Idempotency-Key": secrets.token_hex(16),
        }
        path = f"/v1/recordings?call={self.call_id}"
        answer, _ = ask(connection, "POST", path, headers, body, expect=201)
        return str(answer.headers["Location"]).rpartition("/")[2]

    def listening(self, recording_id: str) -> tuple[str, dict[str, str]]:
        """Opens a listening session; returns the media's path and the headers that a program sends."""
        person = self.callward.person()
        path = str(session(person, recording_id)["mediaPath"])
        return path, {"Authorization": f"Bearer {person.token}"}


class Raw(Server):
    """The raw store."""

    def upload(self, connection: HTTPConnection, body: bytes) -> str:
        """Stores the bytes under a new name; returns the path that reads them. Durable on return."""
        name = secrets.token_hex(16)
        path = f"/{name[:2]}/{name}"
        answer, _ = ask(connection, "PUT", path, {"Content-Type": "audio/wav"}, body, expect=201)
        return f"{path}?version={answer.headers['X-Version']}"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the database's own account may pass through, gone afterwards. TMPDIR says on which disk."""
    with tempfile.TemporaryDirectory(prefix="callward-bench-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def sealed(root: Path, environment: Mapping[str, str] | None = None) -> Iterator[Sealed]:
    """`callward dev`, with one call whose recording is permitted."""
    with dev(root / "data", environment) as started:
        callward = started.wait_ready()
        process = psutil.Process(started.process.pid)
        call_id = consented_call(callward.call_platform())
        yield Sealed(
            callward.doors.ingest, process, callward=callward, access=callward.doors.access, call_id=call_id
        )


@contextmanager
def raw(root: Path) -> Iterator[Raw]:
    """The raw store, in a folder beside the platform's."""
    command = [sys.executable, "-m", "bench.raw_store", str(root / "raw")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    ) as started:
        try:
            assert started.stdout is not None
            yield Raw(started.stdout.readline().strip(), psutil.Process(started.pid))
        finally:
            started.terminate()
            started.wait(timeout=30)


def _pin(process: psutil.Process, cores: set[int]) -> None:
    for thread in process.threads():
        os.sched_setaffinity(thread.id, cores)
