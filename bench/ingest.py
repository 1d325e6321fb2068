"""T1, T2 and T7: what taking recordings in costs, against the same client writing the same bytes to the same store.

    python -m bench.ingest [--pairs 5] [--reserve-core] [--only whole,small,live]

T1: wall time from the request to the receipt (encrypted, durable, on record) against a bare durable write.
T2: processor time per MB of the same uploads. T7: many live calls at once (bench/live.py).
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench import harness, live, sides
from bench.harness import MB, MIB, Row
from bench.payloads import wav


@dataclass
class Meter:
    """Measures uploads to one server: MB/s as the value, processor time per MB on the side.

    `idle`: cores that the server uses when nothing is asked of it; they are not counted as the uploads'.
    """

    server: sides.Sealed | sides.Raw
    body: bytes
    at_once: int
    in_all: int
    idle: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    database_milliseconds: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Sends `in_all` bodies over `at_once` connections; returns MB/s."""
        cpu, database = self.server.cpu(), self.server.database_cpu()
        begun = time.perf_counter()
        with ThreadPoolExecutor(self.at_once) as threads:
            list(threads.map(self._connection, [self.in_all // self.at_once] * self.at_once))
        took = time.perf_counter() - begun
        sent = self.in_all * len(self.body) / MB
        self.milliseconds.append(1000 * (self.server.cpu() - cpu - self.idle * took) / sent)
        self.database_milliseconds.append(1000 * (self.server.database_cpu() - database) / sent)
        return sent / took

    def _connection(self, bodies: int) -> None:
        connection = sides.connect(self.server.base)
        for _ in range(bodies):
            self.server.upload(connection, self.body)
        connection.close()


def compare(
    sealed: sides.Sealed, raw: sides.Raw, size: int, at_once: int, in_all: int, pairs: int, target: str
) -> list[Row]:
    """Measures one size of object at one parallelism."""
    body = wav(size)
    ours = Meter(sealed, body, at_once, in_all, sealed.idle_cores())
    theirs = Meter(raw, body, at_once, in_all)
    ours_rate, theirs_rate = harness.alternately(ours, theirs, pairs)
    name = f"{size / MIB:g} MiB × {at_once} at once"
    cpu, database, raw_cpu = ours.milliseconds[1:], ours.database_milliseconds[1:], theirs.milliseconds[1:]
    note = f"six services in one process; {ours.idle:.2f} cores when idle are not in it"
    return [
        Row(f"{name}: sealed", "MB/s", ours_rate, digits=0),
        Row(f"{name}: raw", "MB/s", theirs_rate, digits=0),
        Row(f"{name}: T1 ratio", "×", harness.ratios(ours_rate, theirs_rate), target),
        Row(f"{name}: T2 CPU of the platform", "ms/MB", cpu, "≤ 2.6", note),
        Row(f"{name}: CPU of PostgreSQL beside it", "ms/MB", database),
        Row(f"{name}: CPU of the raw store", "ms/MB", raw_cpu),
    ]


def main() -> None:
    """Runs what was asked for and reports it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--reserve-core", action="store_true", help="the server under test has a core of its own"
    )
    parser.add_argument("--only", default="whole,small,live", help="parts, separated by commas")
    parser.add_argument("--calls", type=int, default=100, help="live calls at once")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long all of them are measured")
    chosen = parser.parse_args()
    parts = set(chosen.only.split(","))
    rows: list[Row] = []
    at_once = str(max(256, chosen.calls))
    environment = {
        "CALLWARD_INGEST_MAX_PARALLEL_UPLOADS": at_once,
        "CALLWARD_INGEST_MAX_TENANT_UPLOADS": at_once,
    }
    with sides.folder() as root, sides.sealed(root, environment) as sealed, sides.raw(root) as raw:
        if chosen.reserve_core:
            raw.reserve_core()
            sealed.reserve_core()
        steps: dict[str, Callable[[], list[Row]]] = {
            "whole": lambda: [
                *compare(sealed, raw, 64 * MIB, 1, 1, chosen.pairs, _target(chosen.reserve_core)),
                *compare(sealed, raw, 64 * MIB, 2, 2, chosen.pairs, _target(chosen.reserve_core)),
            ],
            "small": lambda: compare(sealed, raw, MIB // 2, 8, 64, chosen.pairs, "≥ 0.65"),
            "live": lambda: live.measure(sealed, chosen.calls, chosen.seconds),
        }
        for part, step in steps.items():
            if part in parts:
                rows += step()
    name = "ingest-reserved" if chosen.reserve_core else "ingest"
    harness.report(name, rows, vars(chosen))


def _target(reserved: bool) -> str:
    return "≥ 0.80" if reserved else "≥ 0.70"


if __name__ == "__main__":
    main()
