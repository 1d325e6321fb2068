"""Time is passed in: only callward_common.clock asks the machine."""

from pathlib import Path

from tests.architecture.clocks import clock_reads
from tests.architecture.source import modules


def test_only_the_clock_reads_the_clock() -> None:
    reading = {module.name for module in modules() if list(clock_reads(module.path))}
    assert reading == {"callward_common.clock"}


def test_planted_reads_are_found(tmp_path: Path) -> None:
    path = tmp_path / "reads.py"
    path.write_text(
        "import datetime\nimport time as clock\nfrom datetime import datetime as dt, UTC\n"
        "a = datetime.datetime.now(UTC)\nb = dt.now(UTC)\nc = clock.time\nd = clock.monotonic()\n"
    )
    assert [found.removeprefix(f"{path}:") for found in clock_reads(path)] == [
        "4 datetime.datetime.now",
        "5 datetime.datetime.now",
        "6 time.time",
    ]
