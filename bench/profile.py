"""What bounds taking in and seeking: samples of the running platform, by py-spy (https://github.com/benfred/py-spy).

    python -m bench.profile ingest|small|seek|play [--seconds 15] [--native]

py-spy is no dependency of Callward: it has to be on the PATH, or named by PY_SPY. Only threads that run are sampled:
the share is one of processor time. `--native` also walks frames of C, which slows the platform down more.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import seek, sides
from bench.harness import MIB
from bench.payloads import wav

_TOP = 25
#: Where a thread waits: py-spy cannot always tell a waiting thread from a running one.
_WAITING = (
    "_worker (concurrent/futures/thread.py",
    "select (selectors.py",
    "wait (threading.py",
    "_queue_SimpleQueue_get",
)


def samples(pid: int, seconds: float, native: bool) -> Counter[tuple[str, ...]]:
    """Samples a process; returns how often each stack was seen, outermost frame first."""
    found = os.environ.get("PY_SPY") or shutil.which("py-spy")
    if found is None:
        raise SystemExit("py-spy is not on the PATH, and PY_SPY does not name it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stacks"
        command = [found, "record", "--pid", str(pid), "--format", "raw", "--output", str(path)]
        command += ["--rate", "200", "--duration", str(int(seconds)), *(["--native"] if native else [])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stacks = Counter[tuple[str, ...]]()
        for line in path.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            frames = stack.split(";")
            if not any(frame.startswith(_WAITING) for frame in frames[-1:]):
                stacks[tuple(frames)] += int(count)
    return stacks


def show(stacks: Counter[tuple[str, ...]]) -> None:
    """Prints where the samples were: by the innermost frame, and by every frame that was on the stack."""
    whole = sum(stacks.values())
    own, within = Counter[str](), Counter[str]()
    for stack, count in stacks.items():
        own[_name(stack[-1])] += count
        for frame in {_name(each) for each in stack if "callward" in each and "callward_cli" not in each}:
            within[frame] += count
    for title, counted in (("itself", own), ("of Callward's own functions, with what they call", within)):
        table = Table(title=f"share of processor time, {title} ({whole} samples)")
        table.add_column("%", justify="right")
        table.add_column("where", overflow="fold")
        for frame, count in counted.most_common(_TOP):
            table.add_row(f"{100 * count / whole:.1f}", frame)
        Console(width=140).print(table)


def _name(frame: str) -> str:
    """Gives "function (file)" without the line, so that a function's lines are one entry."""
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


def main() -> None:
    """Runs the load in a thread and samples the platform meanwhile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("load", choices=["ingest", "small", "seek", "play"])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--native", action="store_true")
    chosen = parser.parse_args()
    with sides.folder() as root, sides.sealed(root, seek.ENVIRONMENT) as sealed:
        once = _load(sealed, chosen.load)
        once()
        stop = threading.Event()
        thread = threading.Thread(target=_again, args=(once, stop))
        thread.start()
        try:
            stacks = samples(sealed.process.pid, chosen.seconds, chosen.native)
        finally:
            stop.set()
            thread.join()
    show(stacks)


def _again(once: Callable[[], object], stop: threading.Event) -> None:
    while not stop.is_set():
        once()


def _load(sealed: sides.Sealed, name: str) -> Callable[[], object]:
    if name == "seek":
        return seek.Seeks(seek.sealed_place(sealed), seek.Sizes.one_byte)
    if name == "play":
        return seek.sealed_place(sealed).whole
    body = wav(64 * MIB if name == "ingest" else MIB // 2)

    def upload() -> None:
        connection = sides.connect(sealed.base)
        sealed.upload(connection, body)
        connection.close()

    return upload


if __name__ == "__main__":
    main()
