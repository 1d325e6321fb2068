"""Everything that a program and its children write to files, as the kernel is told of it (strace(1)).

The whole content of every write is looked through, not only its begin.
"""

import os
import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Calls that put bytes into a file, or that make a file writable some other way.
_WRITES: Final = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
_COPIES: Final = ("sendfile", "splice", "copy_file_range", "tee", "vmsplice")
_OTHERS: Final = ("mmap", "openat", "open", "creat", "openat2", "io_uring_setup")
#: `7 pwrite64(3</path>, …`; where another thread came between, `… <unfinished ...>` and `7 <... pwrite64 resumed>…`.
_LINE: Final = re.compile(rb"^(\d+) +(?:(\w+)\((?:\d+<(/[^>]*)>)?|<\.\.\. \w+ resumed>)")
_UNFINISHED: Final = b" <unfinished ...>\n"
_COUNT: Final = re.compile(rb'"(?:\.\.\.)?, (\d+)')
_WRITABLE: Final = re.compile(rb"O_WRONLY|O_RDWR|O_CREAT")
_OPENED: Final = re.compile(rb"= \d+<(/[^>]*)>")


@dataclass
class Trace:
    """What was seen so far; complete once the traced processes have ended and the block was left."""

    pattern: bytes
    #: The calls that carried the pattern to a file, cut to their begin.
    caught: list[str] = field(default_factory=list)
    #: Bytes written by path, and the paths that were opened for writing.
    written: Counter[str] = field(default_factory=Counter)
    opened: set[str] = field(default_factory=set)
    #: Ways past the calls that are looked at: shared mappings of files, copies within the kernel, io_uring.
    past: list[str] = field(default_factory=list)
    command: Sequence[str] = ()
    _begun: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        """Looks at one line of what strace says."""
        found = _LINE.match(line)
        if found is None:
            return
        process, name, _ = found.groups()
        if name is None:
            line = self._begun.pop(process, b"") + line[found.end() :]
        elif line.endswith(_UNFINISHED):
            self._begun[process] = line[: -len(_UNFINISHED)]
            return
        if whole := _LINE.match(line):
            self._call((whole[2] or b"").decode(), (whole[3] or b"").decode(), line)

    def _call(self, name: str, path: str, line: bytes) -> None:
        if name in _WRITES:
            self._write(path, line)
        elif (
            name in _COPIES
            or name == "io_uring_setup"
            or (name == "mmap" and b"MAP_SHARED" in line and b"PROT_WRITE" in line and b"</" in line)
        ):
            self.past.append(_begin(line))
        elif _WRITABLE.search(line) and (opened := _OPENED.search(line)):
            self.opened.add(opened[1].decode())

    def _write(self, path: str, line: bytes) -> None:
        if not path:  # a socket, a pipe or an event: no file
            return
        count = _COUNT.search(line, line.rfind(b'"'))
        self.written[path] += int(count[1]) if count else 0
        if self.pattern in line:
            self.caught.append(_begin(line))


def _begin(line: bytes) -> str:
    return line[:200].decode("latin-1")


@contextmanager
def trace(pattern: bytes, folder: Path) -> Iterator[Trace]:
    """Gives a trace; whoever is run under its `command` inside the block is looked at, with all its children.

    `pattern` has to be printable ASCII, since strace writes other bytes as escapes. Fails when strace is missing:
    a promise that is not looked at is none.
    """
    strace = shutil.which("strace")
    assert strace, "strace is missing; on Debian: apt-get install strace"
    pipe = folder / "trace"
    os.mkfifo(pipe)
    wanted = ",".join((*_WRITES, *_COPIES, *_OTHERS))
    # -D: the traced program stays the caller's own child; -y: paths; --seccomp-bpf: other calls run at full speed.
    options = [
        "-D",
        "-f",
        "-y",
        "--seccomp-bpf",
        "-qq",
        "-s",
        str(64 * 1024 * 1024),
        "-e",
        f"trace=?{wanted}",
    ]
    found = Trace(pattern, command=[strace, *options, "-o", str(pipe), "--"])
    reader = threading.Thread(target=_read, args=(pipe, found), name="strace", daemon=True)
    reader.start()
    yield found
    reader.join(timeout=120)
    assert not reader.is_alive(), "what was traced has not ended"


def _read(pipe: Path, found: Trace) -> None:
    with pipe.open("rb", buffering=4 * 1024 * 1024) as lines:
        for line in lines:
            found.take(line)


@contextmanager
def slowed(pid: int, call: str, *, milliseconds: int) -> Iterator[None]:
    """Makes every such system call of a process that runs take so much longer within the block.

    For `write` that is its files: what goes to sockets is sent by other calls.
    """
    delay = f"inject={call}:delay_exit={milliseconds * 1000}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", delay, "-p", str(pid)]
    with subprocess.Popen(command) as tracer:
        try:
            yield
        finally:
            tracer.terminate()
            tracer.wait(timeout=30)
