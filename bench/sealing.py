"""T8: what sealing costs, against AES-256-GCM in blocks of the same size as `openssl speed` measures it.

    python -m bench.sealing [--pairs 7]

One thread, no store: StreamEncryptor and StreamDecryptor over 64 MiB, fed as a server gets its bytes. Processor time
is what is compared, since neither side waits for anything.
"""

import argparse
import functools
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from bench import harness
from bench.harness import MB, MIB, Row
from callward_crypto.streaming import (
    HEADER_SIZE,
    KEY_SIZE,
    StreamDecryptor,
    StreamEncryptor,
    ciphertext_size,
    segment_range,
)
from tests.support import oracle_tink

SIZE: Final = 64 * MIB
SEGMENT: Final = 64 * 1024
KEY, CONTEXT = os.urandom(KEY_SIZE), b"bench"


def seal(pieces: Sequence[memoryview]) -> float:
    """Seals all pieces; returns MB per second of processor time."""
    begun = time.process_time()
    encryptor = StreamEncryptor(KEY, CONTEXT)
    for piece in pieces:
        encryptor.update(piece)
    encryptor.finish()
    return encryptor.plaintext_size / MB / (time.process_time() - begun)


def unseal(sealed: bytes) -> float:
    """Opens every segment; returns MB per second of processor time."""
    decryptor = StreamDecryptor(KEY, CONTEXT, sealed[:HEADER_SIZE], len(sealed))
    view = memoryview(sealed)
    begun = time.process_time()
    for index in range(decryptor.segment_count):
        start, stop = segment_range(index, index, len(sealed))
        decryptor.decrypt_segment(index, view[start or HEADER_SIZE : stop])
    return decryptor.plaintext_size / MB / (time.process_time() - begun)


def openssl(*, decrypt: bool = False) -> float:
    """Returns MB/s of `openssl speed` for blocks of one segment, for one second."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", str(SEGMENT), "-evp", "aes-256-gcm"]
    command += ["-decrypt"] if decrypt else []
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"^AES-256-GCM\s+([\d.]+)k", asked.stdout, re.MULTILINE | re.IGNORECASE)
    if found is None:
        raise SystemExit(f"openssl speed was not understood: {asked.stdout}")
    return float(found[1]) * 1000 / MB


def compared(name: str, ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> list[Row]:
    """Measures one direction in pairs."""
    mine, other = harness.alternately(ours, theirs, pairs)
    return [
        Row(name, "MB/s", mine, digits=0),
        Row(f"{name}: openssl speed, 64 KiB", "MB/s", other, digits=0),
        Row(f"{name}: T8 ratio", "×", harness.ratios(mine, other), "≥ 0.6"),
    ]


def tink_agrees(data: bytes) -> bool:
    """Says whether a stock Tink opens what we seal, and we open what it seals."""
    encryptor = StreamEncryptor(KEY, CONTEXT)
    ours = encryptor.update(data) + encryptor.finish()
    theirs = oracle_tink.seal(KEY, CONTEXT, data)
    decryptor = StreamDecryptor(KEY, CONTEXT, theirs[:HEADER_SIZE], len(theirs))
    ranges = [segment_range(each, each, len(theirs)) for each in range(decryptor.segment_count)]
    opened = b"".join(
        decryptor.decrypt_segment(index, theirs[start or HEADER_SIZE : stop])
        for index, (start, stop) in enumerate(ranges)
    )
    return oracle_tink.unseal(KEY, CONTEXT, ours) == data and opened == data


def main() -> None:
    """Runs all of it and reports it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    chosen = parser.parse_args()
    data = os.urandom(SIZE)
    rows: list[Row] = []
    for size in (SEGMENT, 4 * SEGMENT):
        pieces = [memoryview(data)[start : start + size] for start in range(0, SIZE, size)]
        rows += compared(
            f"seal, fed {size // 1024} KiB at a time", functools.partial(seal, pieces), openssl, chosen.pairs
        )
    encryptor = StreamEncryptor(KEY, CONTEXT)
    sealed = encryptor.update(data) + encryptor.finish()
    rows += compared("open", lambda: unseal(sealed), lambda: openssl(decrypt=True), chosen.pairs)
    larger = [100 * (ciphertext_size(SIZE) - SIZE) / SIZE]
    rows.append(Row("T8 larger by", "%", larger, "≤ 0.03", f"a recording of {SIZE // MIB} MiB", digits=4))
    agrees = tink_agrees(data[: 8 * MIB])
    rows.append(
        Row("T8 Tink reads it, and is read", "1 = both ways", [float(agrees)], "1", "8 MiB", digits=0)
    )
    harness.report("sealing", rows, vars(chosen))


if __name__ == "__main__":
    main()
