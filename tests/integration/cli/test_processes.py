"""The command as a process: killed, interrupted, started again; the door restarted underneath it."""

import json
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Process
from tests.integration.cli.fake_door import FakeDoor
from tests.support.waiting import eventually

CALL = "01934e2c-7c00-7000-8000-0000000000c1"
MIB = 1024 * 1024
Start = Callable[..., Process]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(random.Random(5).randbytes(6 * MIB + 5))
    return path


class Gate:
    """Stops the door in the middle of an append: what came by then is held."""

    def __init__(self, door: FakeDoor, after: int) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        original = door._append

        def append(request: Any, held: Any, fault: Any) -> Any:
            if not self.reached.is_set():
                while len(held.data) < after:
                    held.data += next(request.body)
                self.reached.set()
                self.open.wait(60)
                for chunk in request.body:
                    held.data += chunk
                return door._complete(held)
            return original(request, held, fault)

        door._append = append  # type: ignore[method-assign]


def test_killed_in_the_middle_and_started_again(process: Start, door: FakeDoor, recording: Path) -> None:
    gate = Gate(door, 2 * MIB)
    first = process("upload", recording, "--call", CALL)
    assert gate.reached.wait(30)
    first.popen.send_signal(signal.SIGKILL)
    first.ended()
    held = door.the_upload()
    assert 2 * MIB <= len(held.data) < recording.stat().st_size
    came = len(held.data)
    code, out, err = process("upload", recording, "--call", CALL, "--json").ended()
    gate.open.set()
    assert code == 0, out + err
    assert bytes(held.data) == recording.read_bytes()
    assert len(door.held) == 1
    assert int(door.requests("PATCH")[-1]["upload-offset"]) == came
    assert f"going on with the upload {held.upload_id}" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_keeps_the_state_and_says_how_to_go_on(
    process: Start, door: FakeDoor, recording: Path, number: signal.Signals
) -> None:
    gate = Gate(door, MIB)
    first = process("upload", recording, "--call", CALL)
    assert gate.reached.wait(30)
    first.popen.send_signal(number)
    code, out, err = first.ended()
    assert (code, out) == (128 + number, "")
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    code, out, err = process("upload", recording, "--call", CALL).ended()
    gate.open.set()
    assert code == 0, out + err
    assert bytes(door.the_upload().data) == recording.read_bytes()


def test_a_second_interrupt_ends_at_once(process: Start, door: FakeDoor, tmp_path: Path) -> None:
    # Standard input is finished after the first one, which here never comes to an end.
    gate = Gate(door, 1)
    reading, writing = os.pipe()
    started = process("upload", "-", "--call", CALL, stdin=reading)
    os.close(reading)
    os.write(writing, b"x" * 1000)
    assert gate.reached.wait(30)
    started.popen.send_signal(signal.SIGINT)
    assert started.popen.stderr is not None
    assert "what was read is sent and sealed" in started.popen.stderr.readline()
    assert started.popen.poll() is None
    started.popen.send_signal(signal.SIGINT)
    assert started.popen.wait(10) == 130
    os.close(writing)
    gate.open.set()


def test_the_door_is_restarted_underneath(process: Start, door: FakeDoor, recording: Path) -> None:
    gate = Gate(door, MIB)
    started = process("upload", recording, "--call", CALL)
    assert gate.reached.wait(30)
    door.restart()
    gate.open.set()
    code, out, err = started.ended()
    assert code == 0, out + err
    assert bytes(door.the_upload().data) == recording.read_bytes()


def test_two_processes_do_not_send_one_file_at_once(process: Start, door: FakeDoor, recording: Path) -> None:
    gate = Gate(door, MIB)
    first = process("upload", recording, "--call", CALL)
    assert gate.reached.wait(30)
    code, out, _ = process("upload", recording, "--call", CALL).ended()
    assert code == 2
    assert "is being uploaded by another process" in out
    gate.open.set()
    assert first.ended()[0] == 0


def test_standard_input_is_sent_while_it_comes(process: Start, door: FakeDoor) -> None:
    reading, writing = os.pipe()
    started = process("upload", "-", "--call", CALL, "--json", stdin=reading)
    os.close(reading)
    audio = random.Random(1).randbytes(700_000)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        pipe.write(audio[:300_000])
        eventually(lambda: door.requests("PATCH"), "the first append, while standard input is open")
        pipe.write(audio[300_000:])
    code, out, err = started.ended()
    assert code == 0, out + err
    held = door.the_upload()
    assert bytes(held.data) == audio
    assert (held.media_type, held.length, held.digest) == ("audio/wav", None, None)
    (found,) = json.loads(out)["uploads"]
    assert any("no digest was known beforehand" in text for text in found["verification"]["unchecked"])


def test_interrupted_standard_input_is_completed_with_what_was_read(process: Start, door: FakeDoor) -> None:
    reading, writing = os.pipe()
    started = process("upload", "-", "--call", CALL, stdin=reading)
    os.close(reading)
    os.write(writing, b"y" * 10_000)
    eventually(lambda: door.requests("PATCH"), "the first append")
    started.popen.send_signal(signal.SIGINT)
    code, out, err = started.ended()
    os.close(writing)
    assert code == 0, out + err
    held = door.the_upload()
    assert (bytes(held.data), held.state) == (b"y" * 10_000, "complete")


def test_killed_standard_input_is_finished_by_its_id(process: Start, door: FakeDoor) -> None:
    reading, writing = os.pipe()
    started = process("upload", "-", "--call", CALL, stdin=reading)
    os.close(reading)
    gate = Gate(door, 5000)
    os.write(writing, b"z" * 10_000)
    assert gate.reached.wait(30)
    started.popen.kill()
    started.ended()
    os.close(writing)
    held = door.the_upload()
    came = bytes(held.data)
    code, out, err = process("upload", "--finish", held.upload_id).ended()
    gate.open.set()
    assert code == 0, out + err
    assert (bytes(held.data), held.state) == (came, "complete")
    code, out, err = process("upload", "--finish", held.upload_id).ended()
    assert code == 2
    assert "is complete" in err
