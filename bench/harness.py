"""What every measurement shares: pairs taken alternately, medians with their spread, a table, and the same as JSON."""

import json
import os
import platform as machine
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from callward_common.clock import SystemClock

RESULTS: Final = Path(__file__).parent / "results"
#: Fewer pairs than this say nothing about spread.
MIN_PAIRS: Final = 5
MB: Final = 1_000_000
_WIDTH: Final = 150
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several measurements, and the least and greatest of them."""

    median: float
    least: float
    greatest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarises at least one value."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def text(self, digits: int) -> str:
        """Gives "median (least to greatest)" with that many digits after the point."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.greatest:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a result: what was measured, in which unit, for which target; `note` says what has to be known."""

    what: str
    unit: str
    values: Sequence[float]
    target: str = ""
    note: str = ""
    digits: int = 2

    def spread(self) -> Spread:
        """Summarises the values."""
        return Spread.of(self.values)


def alternately(
    first: Callable[[], float], second: Callable[[], float], pairs: int
) -> tuple[list[float], list[float]]:
    """Measures A and B in turn, each pair in the other order than the one before, after one of each that is not kept.

    On a shared machine only what was measured side by side may be compared: ratios are those of pairs.
    """
    if pairs < MIN_PAIRS:
        raise SystemExit(f"at least {MIN_PAIRS} pairs are needed")
    first(), second()
    kept: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        turns = [(0, first), (1, second)]
        for which, measure in turns if number % 2 == 0 else reversed(turns):
            kept[which].append(measure())
    return kept


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Gives the ratio of every pair."""
    return [one / other for one, other in zip(above, below, strict=True)]


def quantile(values: Sequence[float], share: float) -> float:
    """Gives the smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def report(name: str, rows: Sequence[Row], settings: Mapping[str, Any]) -> None:
    """Prints the table and writes the same as JSON into bench/results/<name>.json."""
    about = about_the_machine()
    table = Table(title=f"{name} · {about['taken']} · {about['processor']}, {about['cores']} cores")
    for heading in ("what", "unit", "median (least to greatest)", "target", "note"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(row.what, row.unit, row.spread().text(row.digits), row.target, row.note)
    console = Console(width=_WIDTH)
    console.print(table)
    document = {
        "name": name,
        "machine": about,
        "settings": dict(settings),
        "rows": [_as_json(row) for row in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    console.print(f"written: {path}", highlight=False)


def about_the_machine() -> dict[str, Any]:
    """Says what has to be known of a measurement: when, where, how busy, and of which state of the code."""
    return {
        "taken": SystemClock().now().strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "kernel": machine.release(),
        "python": machine.python_version(),
        "revision": _revision(),
    }


def _as_json(row: Row) -> dict[str, Any]:
    spread = row.spread()
    return {
        "what": row.what,
        "unit": row.unit,
        "median": spread.median,
        "least": spread.least,
        "greatest": spread.greatest,
        "count": spread.count,
        "target": row.target,
        "note": row.note,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return machine.processor() or "unknown"


def _revision() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
