"""Design target T11: audio is never on disk in the clear, neither while it is taken in nor while it is played.

A pattern stands all through the audio. `callward dev` and its PostgreSQL run under strace, which shows the whole
content of everything that they write to files; what they have left is searched afterwards as well.
"""

import hashlib
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.support.bulk import RawRequest, wav_of
from tests.support.dev_folder import dev_folder
from tests.support.doors import Client
from tests.support.journeys import answered, consented_call, media, upload
from tests.support.memory import MIB, high_water
from tests.support.process import dev
from tests.support.strace import Trace, trace

SIZE: Final = 200_000_000
LIVE_SECONDS, LIVE_RATE, LIVE_CHUNK_SECONDS = 16.0, 160_000, 0.2
PATTERN: Final = f"CALLWARD-PLANTED-{secrets.token_hex(12)}".encode()
#: Any 127 bytes of blocks hold the pattern whole.
BLOCK: Final = PATTERN.ljust(64, b".")
APPEND: Final = {"Content-Type": "application/partial-upload"}
#: The longest lead, so that a whole playback has not to be waited for.
ENVIRONMENT: Final = {"CALLWARD_ACCESS_LISTEN_LEAD": "PT5M", "PYTHONDONTWRITEBYTECODE": "1"}
#: Where something may be written beside the data folder: memory that PostgreSQL shares, and nothing at all.
ELSEWHERE: Final = ("/dev/shm/PostgreSQL.", "/dev/null", "/proc/")


def planted(size: int) -> bytes:
    """A WAV file of `size` bytes, less than a frame fewer, full of the pattern: 6 MB of it are a second."""
    audio = BLOCK * (size // len(BLOCK))
    return wav_of(audio[: size - 44], rate=192_000, channels=8, bits=32)


def plain(platform: Client, call_id: str, audio: bytes) -> str:
    return str(answered(upload(platform, call_id, audio), 201)["recordingId"])


def resumable(platform: Client, call_id: str, audio: bytes) -> str:
    """Creates, appends, breaks an append off in its middle, asks for the offset, and appends the rest."""
    quarter = len(audio) // 4
    headers = {"Content-Type": "audio/wav", "Upload-Complete": "?0", "Upload-Length": str(len(audio))}
    path = f"/v1/uploads?call={call_id}"
    created = platform.post(path, content=audio[:quarter], headers=headers)
    assert (created.status_code, created.headers["Upload-Offset"]) == (201, str(quarter)), created.text
    where = created.headers["Location"]
    headers = {**APPEND, "Upload-Complete": "?0", "Upload-Offset": str(quarter)}
    appended = platform.request("PATCH", where, content=audio[quarter : 2 * quarter], headers=headers)
    assert (appended.status_code, appended.headers["Upload-Offset"]) == (204, str(2 * quarter)), appended.text
    headers = {**headers, "Upload-Offset": str(2 * quarter)}
    with RawRequest(platform, "PATCH", where, headers, announced=quarter) as broken:
        broken.send(audio[2 * quarter : 2 * quarter + quarter // 2])
    offset = int(platform.head(where).headers["Upload-Offset"])
    assert 2 * quarter <= offset <= 2 * quarter + quarter // 2
    headers = {**APPEND, "Upload-Complete": "?1", "Upload-Offset": str(offset)}
    whole = platform.request("PATCH", where, content=audio[offset:], headers=headers)
    return str(answered(whole, 201)["recordingId"])


def live(platform: Client, call_id: str, audio: bytes) -> str:
    """Sends a call while it is spoken: chunks, each at its time, acknowledged on the way."""
    headers = {
        "Content-Type": "audio/wav",
        "Upload-Complete": "?1",
        "Upload-Draft-Interop-Version": "8",
    }
    chunk, begun = int(LIVE_RATE * LIVE_CHUNK_SECONDS), time.monotonic()
    with RawRequest(platform, "POST", f"/v1/uploads?call={call_id}", headers, announced=None) as request:
        for number, start in enumerate(range(0, len(audio), chunk)):
            # The pace of a call is what is tried here, not a condition that could be waited for.
            time.sleep(max(0.0, begun + number * LIVE_CHUNK_SECONDS - time.monotonic()))
            request.send(audio[start : start + chunk])
        request.end()
        answer = request.answer()
    assert answer.status == 201, answer.body
    acknowledged = [
        int(each.headers["upload-offset"]) for each in request.interim if "upload-offset" in each.headers
    ]
    assert len(acknowledged) >= 2, "parts are acknowledged while the call goes on"
    return answer.headers["location"].rpartition("/")[2]


def play(person: Client, recording_id: str, audio: bytes) -> None:
    """Plays a recording whole and compares it."""
    digest, path = hashlib.sha256(), media(person, recording_id)
    headers = {"Authorization": f"Bearer {person.token}"}
    with person.http.stream("GET", person.base + path, headers=headers) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(audio).digest()


def holding(folder: Path, pattern: bytes) -> list[Path]:
    """Lists the files under a folder that hold the pattern."""
    found = subprocess.run(
        [
            *("grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings", "--devices=skip"),
            *("-e", pattern.decode(), str(folder)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode in (0, 1), found.stderr
    return [Path(line) for line in found.stdout.splitlines()]


def test_such_a_trace_sees_every_way_of_writing(tmp_path: Path) -> None:
    program = (
        "import mmap, os, sys; pattern, folder = sys.argv[1].encode(), sys.argv[2]\n"
        "fd = os.open(folder + '/a', os.O_RDWR | os.O_CREAT)\n"
        "os.write(fd, b'\\x00' * 100_000 + pattern); os.pwrite(fd, pattern, 7); os.writev(fd, [b'x', pattern])\n"
        "os.fork(); os.write(fd, pattern); mmap.mmap(fd, 4096)[:1] = b'x'\n"
        "os.sendfile(os.open(folder + '/b', os.O_WRONLY | os.O_CREAT), fd, 0, 100)\n"
    )
    with trace(PATTERN, tmp_path) as seen:
        subprocess.run([*seen.command, "python3", "-c", program, PATTERN.decode(), str(tmp_path)], check=True)
    assert len(seen.caught) == 5, seen.caught
    assert sorted("sendfile" in way for way in seen.past) == [False, False, True, True], seen.past
    assert {str(tmp_path / "a"), str(tmp_path / "b")} <= seen.opened
    assert seen.written[str(tmp_path / "a")] > 100_000
    assert holding(tmp_path, PATTERN)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_written_byte_of_200_mb_is_plaintext(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    audio = planted(SIZE)
    spoken = planted(int(LIVE_SECONDS * LIVE_RATE))
    with dev_folder() as folder:
        temporary = folder.parent / "temporary"
        temporary.mkdir(mode=0o1777)
        with trace(PATTERN, tmp_path) as seen:
            environment = {**ENVIRONMENT, "TMPDIR": str(temporary)}
            with dev(folder, environment, under=seen.command) as process:
                callward = process.wait_ready()
                platform, person = callward.call_platform(), callward.person()
                call_id = consented_call(platform)
                taken = [
                    (plain(platform, call_id, audio), audio),
                    (resumable(platform, call_id, audio), audio),
                    (live(platform, call_id, spoken), spoken),
                ]
                for recording_id, sent in taken:
                    play(person, recording_id, sent)
                peak = high_water(process.process.pid)
        left = [*holding(folder, PATTERN), *holding(temporary, PATTERN)]
        _judge(seen, folder, temporary, left)
    record_property("peak_mib", peak // MIB)
    print(f"peak memory of the process: {peak / MIB:.0f} MiB")


def _judge(seen: Trace, folder: Path, temporary: Path, left: list[Path]) -> None:
    assert not seen.caught, seen.caught
    assert not left, left
    objects = sum(count for path, count in seen.written.items() if path.startswith(str(folder / "objects")))
    assert objects > 2 * SIZE, "the trace has seen the ciphertext being written"
    assert any(path.startswith(str(folder / "postgres")) for path in seen.written), (
        "PostgreSQL is looked at too"
    )
    past = [way for way in seen.past if "/dev/shm/PostgreSQL." not in way]
    assert not past, past
    known = (str(folder), str(temporary), *ELSEWHERE)
    strangers = sorted(path for path in (*seen.opened, *seen.written) if not path.startswith(known))
    assert not strangers, strangers
