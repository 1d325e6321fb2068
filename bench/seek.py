"""T3 and T4: the first byte of a seek, and a whole playback, against the same ranges of the same bytes unsealed.

    python -m bench.seek [--rounds 5] [--seeks 200] [--pairs 5] [--reserve-core]

T3: time from a media request to its first byte in a session that is already being played: the token is verified, the
session, the recording and its state are read, and every 30 seconds policies, consent, audit and key are asked anew;
the grant is durably on record before the first of these requests, since none is answered without it. What opening a
session and its first byte take together is measured beside it.

T4: listening is paced to twice real time after a lead of 30 s. What is played here is audio of 6.1 MB a second, and
the platform is started with the longest lead and the greatest factor that its settings allow (five minutes, ten
times), so that the pace is never what is waited for.
"""

import argparse
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from http.client import HTTPConnection
from typing import Final

from bench import harness, sides
from bench.harness import MB, MIB, Row
from bench.payloads import fast_wav

#: The longest lead and the greatest factor that the settings allow.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "CALLWARD_ACCESS_LISTEN_LEAD": "PT5M",
    "CALLWARD_ACCESS_LISTEN_FACTOR": "10",
}
#: 64 MiB, rounded down to whole frames.
SIZE: Final = len(fast_wav(64 * MIB))


class Sizes(IntEnum):
    """Bytes that a seek asks for."""

    one_byte = 1
    segment = 64 * 1024
    mebibyte = MIB


@dataclass
class Place:
    """Where the bytes can be read: a connection, a path, and the headers to send."""

    connection: HTTPConnection
    path: str
    headers: Mapping[str, str]

    def first_byte(self, start: int, length: int) -> float:
        """Asks for a range and returns the seconds to its first byte; reads the rest afterwards."""
        headers = {**self.headers, "Range": f"bytes={start}-{start + length - 1}"}
        begun = time.perf_counter()
        self.connection.request("GET", self.path, headers=headers)
        answer = self.connection.getresponse()
        first = answer.read(1)
        took = time.perf_counter() - begun
        if answer.status != 206 or len(first) + len(answer.read()) != length:
            raise SystemExit(f"a seek was answered with {answer.status}")
        return took

    def whole(self) -> int:
        """Reads everything over a new connection, since an idle one is closed; returns how many bytes that were."""
        self.connection.close()
        self.connection.request("GET", self.path, headers=dict(self.headers))
        answer, buffer, size = self.connection.getresponse(), bytearray(sides.READ_BYTES), 0
        while count := answer.readinto(buffer):
            size += count
        return size


@dataclass
class Seeks:
    """Random seeks of one length into one recording, always the same ones."""

    place: Place
    length: int
    pause: float = 0.0
    offsets: random.Random = field(default_factory=lambda: random.Random(1))

    def __call__(self) -> float:
        """Waits for the pause, makes one and returns the seconds to its first byte."""
        time.sleep(self.pause)
        return self.place.first_byte(self.offsets.randrange(SIZE - self.length), self.length)


@dataclass
class Playback:
    """Whole playbacks: MB/s as the value, MB for each second of processor time on the side."""

    server: sides.Server
    place: Place
    per_core: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Plays once."""
        cpu, begun = self.server.cpu(), time.perf_counter()
        size = self.place.whole()
        took = time.perf_counter() - begun
        if size != SIZE:
            raise SystemExit(f"{size} bytes were played instead of {SIZE}")
        # The clock of processor time ticks a hundred times a second.
        self.per_core.append(size / MB / max(0.01, self.server.cpu() - cpu))
        return size / MB / took


def sealed_place(sealed: sides.Sealed) -> Place:
    """Takes a recording in and opens a listening session for it."""
    path, headers = sealed.listening(_uploaded(sealed))
    return Place(sides.connect(sealed.access), path, headers)


def raw_place(raw: sides.Raw) -> Place:
    """Stores the same number of bytes."""
    return Place(sides.connect(raw.base), _uploaded(raw), {})


def seeks(ours: Place, theirs: Place, length: int, chosen: argparse.Namespace) -> list[Row]:
    """Seeks in rounds of pairs; the values are one for each round."""
    sealed, raw = Seeks(ours, length, chosen.pause), Seeks(theirs, length, chosen.pause)
    halves: dict[str, list[float]] = {"p50": [], "p50 raw": [], "p99": [], "p99 raw": []}
    for _ in range(chosen.rounds):
        ours.connection.close(), theirs.connection.close()
        mine, other = harness.alternately(sealed, raw, chosen.seeks)
        for share, name in ((0.5, "p50"), (0.99, "p99")):
            halves[name].append(1000 * harness.quantile(mine, share))
            halves[f"{name} raw"].append(1000 * harness.quantile(other, share))
    added = [mine - other for mine, other in zip(halves["p50"], halves["p50 raw"], strict=True)]
    name = f"first of {length} B"
    return [
        Row(f"{name}: sealed, p50", "ms", halves["p50"]),
        Row(f"{name}: raw, p50", "ms", halves["p50 raw"]),
        Row(f"{name}: T3 added, p50", "ms", added, "≤ max(0.3 × raw, 2 ms)"),
        Row(f"{name}: T3 p99 ratio", "×", harness.ratios(halves["p99"], halves["p99 raw"]), "≤ 2"),
        Row(f"{name}: sealed, p99", "ms", halves["p99"]),
    ]


def openings(sealed: sides.Sealed, recording_id: str, count: int) -> Row:
    """Opens sessions, each with its grant put on record, and reads the first byte of each."""
    took = []
    connection = sides.connect(sealed.access)
    sealed.listening(recording_id)  # the tokens are there
    for _ in range(count):
        connection.close()
        begun = time.perf_counter()
        path, headers = sealed.listening(recording_id)
        opened = time.perf_counter() - begun
        took.append(1000 * (opened + Place(connection, path, headers).first_byte(SIZE // 2, 1)))
    return Row("a new session and its first byte", "ms", took, note="cold key; grant durable, key opened")


def playback(sealed: sides.Sealed, raw: sides.Raw, ours: Place, theirs: Place, pairs: int) -> list[Row]:
    """Whole playbacks in pairs."""
    mine, other = Playback(sealed, ours), Playback(raw, theirs)
    played, read = harness.alternately(mine, other, pairs)
    return [
        Row("whole 64 MiB: sealed", "MB/s", played, digits=0),
        Row("whole 64 MiB: raw", "MB/s", read, digits=0),
        Row("whole 64 MiB: T4 ratio", "×", harness.ratios(played, read), "≥ 0.6"),
        Row("whole 64 MiB: T4 a core", "MB per second of CPU", mine.per_core[1:], "≥ 450", digits=0),
        Row("whole 64 MiB: raw a core", "MB per second of CPU", other.per_core[1:], digits=0),
    ]


def main() -> None:
    """Runs all of it and reports it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeks", type=int, default=100, help="pairs of seeks in a round")
    parser.add_argument(
        "--pause", type=float, default=0.05, help="seconds between seeks: nobody seeks without one"
    )
    parser.add_argument("--pairs", type=int, default=7, help="pairs of whole playbacks")
    parser.add_argument(
        "--reserve-core", action="store_true", help="the server under test has a core of its own"
    )
    parser.add_argument("--only", default="seeks,opening,whole", help="parts, separated by commas")
    chosen = parser.parse_args()
    parts = set(chosen.only.split(","))
    rows: list[Row] = []
    with sides.folder() as root, sides.sealed(root, ENVIRONMENT) as sealed, sides.raw(root) as raw:
        if chosen.reserve_core:
            raw.reserve_core()
            sealed.reserve_core()
        ours, theirs = sealed_place(sealed), raw_place(raw)
        if "seeks" in parts:
            for length in Sizes:
                rows += seeks(ours, theirs, length, chosen)
        if "opening" in parts:
            rows.append(openings(sealed, _uploaded(sealed), chosen.pairs * 4))
        if "whole" in parts:
            rows += playback(sealed, raw, ours, theirs, chosen.pairs)
    harness.report("seek-reserved" if chosen.reserve_core else "seek", rows, vars(chosen))


def _uploaded(server: sides.Sealed | sides.Raw) -> str:
    connection = sides.connect(server.base)
    try:
        return server.upload(connection, fast_wav(SIZE))
    finally:
        connection.close()


if __name__ == "__main__":
    main()
