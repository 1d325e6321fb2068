"""What only tests look at: files of the object store, and what became of an upload's key and rows."""

import random
import struct
from pathlib import Path

from tests.support.platform import RunningPlatform
from tests.support.uploads import upload_id
from tests.support.waiting import eventually

#: States of a key that nothing can be opened with any more.
GIVEN_UP = {"shred_pending", "destroyed"}
_DENSE_RATE, _DENSE_CHANNELS, _DENSE_SAMPLE = 192_000, 8, 4


def dense_wav(size: int, *, seed: int = 1) -> bytes:
    """Gives a WAV file of exactly `size` bytes whose 6 MB are a second: a large one is heard at once, though paced."""
    block, audio = _DENSE_CHANNELS * _DENSE_SAMPLE, size - 44
    assert audio % block == 0, f"choose another size: {audio % block} bytes are left"
    form = struct.pack("<IHHIIHH", 16, 1, _DENSE_CHANNELS, _DENSE_RATE, _DENSE_RATE * block, block, 32)
    head = b"RIFF" + struct.pack("<I", size - 8) + b"WAVEfmt " + form
    return head + b"data" + struct.pack("<I", audio) + random.Random(seed).randbytes(audio)


def stored(platform: RunningPlatform) -> set[Path]:
    """Every file of the object store, unfinished ones included."""
    return {path for path in platform.objects.rglob("*") if path.is_file() and path.suffix != ".locks"}


def key_state(platform: RunningPlatform, recording_id: str) -> str:
    """The state of a recording's data key."""
    rows = platform.sql(
        "key-management",
        "SELECT state FROM data_keys WHERE subject_id = $1::uuid",
        recording_id,
        role="admin",
    )
    assert len(rows) == 1, rows
    return str(rows[0]["state"])


def wait_given_up(platform: RunningPlatform, path: str) -> None:
    """Returns once nothing can be opened any more with the key of the upload at `path`."""
    recording = upload_id(path)
    eventually(lambda: key_state(platform, recording) in GIVEN_UP, "that the key is given up")


class NothingKept:
    """What the store held before an upload, and that it holds no more after it, with the key given up."""

    def __init__(self, platform: RunningPlatform) -> None:
        self._platform, self._before = platform, stored(platform)

    def demand(self, path: str) -> None:
        """`path`: that of the upload. Objects and keys may go a moment after the answer: that is waited for."""
        self.wait_files_gone()
        wait_given_up(self._platform, path)

    def wait_files_gone(self) -> None:
        """Returns once the store holds what it held before."""
        eventually(lambda: not self.left(), f"that no object is left; left are {self.left()}")

    def left(self) -> list[str]:
        """The files that were not there before."""
        return sorted(str(path) for path in stored(self._platform) - self._before)
