"""The memory of a process, as the kernel counts it (proc_pid_status(5))."""

from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024


def resident(pid: int) -> int:
    """Bytes that are in memory now."""
    return _field(pid, "VmRSS")


def high_water(pid: int) -> int:
    """The most bytes that were in memory since the process began, or since `forget_high_water`."""
    return _field(pid, "VmHWM")


def forget_high_water(pid: int) -> None:
    """Lets the high-water mark begin anew at what is in memory now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _field(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
