"""`callward dev` whose object store writes as slowly as a test says. A program of the tests, as `crashing` is.

Run as `python -m tests.support.slow_store CONTROL dev …`. While the file CONTROL names a number, so many objects wait
in the middle of being written, in the threads that write them; the file CONTROL.waiting says how many do.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_LOOK = 0.05


def hold(control: Path, objects: int) -> None:
    """Has that many objects wait from their next write on."""
    control.write_text(str(objects), encoding="utf-8")


def release(control: Path) -> None:
    """Lets everything go on."""
    control.unlink()


def waiting(control: Path) -> int:
    """How many objects wait now."""
    try:
        return int(_counted(control).read_text(encoding="utf-8") or "0")
    except FileNotFoundError:
        return 0


def _counted(control: Path) -> Path:
    return control.with_suffix(".waiting")


class _Brake:
    def __init__(self, control: Path) -> None:
        self._control, self._waiting = control, 0
        self._lock, self._pause = threading.Lock(), threading.Event()

    def wait(self) -> None:
        with self._lock:
            if self._waiting >= self._allowed():
                return
            self._count(1)
        try:
            while self._allowed():
                self._pause.wait(_LOOK)
        finally:
            with self._lock:
                self._count(-1)

    def _allowed(self) -> int:
        try:
            return int(self._control.read_text(encoding="utf-8") or "0")
        except FileNotFoundError:
            return 0

    def _count(self, change: int) -> None:
        self._waiting += change
        _counted(self._control).write_text(str(self._waiting), encoding="utf-8")


def main() -> None:
    """Puts the brake on, then is `callward`."""
    brake = _Brake(Path(sys.argv.pop(1)))
    from callward_embedded import file_objects

    original = file_objects._writing

    def writing(file: BinaryIO, chunk: bytes) -> Callable[[], int]:
        write = original(file, chunk)

        def slowly() -> int:
            brake.wait()
            return write()

        return slowly

    file_objects._writing = writing
    from callward_cli.main import main as callward

    callward()


if __name__ == "__main__":
    main()
