"""A store that is slow: no acknowledgement before durability, bounded memory, others go on, and an end in order."""

import select
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.crashes.scene import Crashing
from tests.support.audio import header, wav
from tests.support.journeys import answered, upload
from tests.support.memory import MIB, forget_high_water, high_water, resident
from tests.support.process import DevProcess
from tests.support.slow_store import hold, release, waiting
from tests.support.uploads import INTEROP, Sender, Wire, upload_id
from tests.support.waiting import eventually

PART = 64 * 1024
#: Fewer than the threads of the store: the others are free to write.
HELD = 5
SETTINGS = {
    "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2",
    "CALLWARD_INGEST_PART_BYTES": str(PART),
    "CALLWARD_INGEST_LIVE_PART_BYTES": "16384",
    "CALLWARD_INGEST_STOP_PATIENCE": "3",
}


class Slow(Crashing):
    """A platform whose store is slow when a test says so; what has to hold afterwards is the same as after a crash."""

    def start(self) -> None:
        """Starts it again, on the same folder."""
        self.process = self._started()
        self.process.wait_ready()

    @contextmanager
    def held(self, objects: int) -> Iterator[None]:
        """Has that many objects wait within the block."""
        hold(self.control, objects)
        try:
            yield
        finally:
            if self.control.exists():
                release(self.control)

    def _started(self) -> DevProcess:
        command = (sys.executable, "-m", "tests.support.slow_store", str(self.control))
        return DevProcess(self.data_dir, SETTINGS, command=command)


@pytest.fixture(scope="module")
def scene() -> Iterator[Slow]:
    with tempfile.TemporaryDirectory(prefix="callward-slow-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        started = Slow(folder)
        try:
            yield started
        finally:
            if started.process.process.poll() is None:
                started.stop()


def _all_wait(scene: Slow, objects: int) -> None:
    eventually(lambda: waiting(scene.control) == objects, f"that {objects} objects wait")


def test_nothing_is_acknowledged_before_it_is_written_and_others_go_on(scene: Slow) -> None:
    audio, sender = wav(3), Sender(scene.platform, scene.call())
    path = sender.created()
    with sender.appending(path, 0, True, INTEROP, announced=len(audio)) as wire, scene.held(1):
        wire.send(audio)
        _all_wait(scene, 1)
        other = answered(upload(scene.platform, sender.call_id, wav(2, seed=2)), 201)
        scene.kept.append((other["recordingId"], wav(2, seed=2)))
        assert waiting(scene.control) == 1, "one went on while the other waited"
        assert sender.document(path)["offset"] == 0
        assert not select.select([wire.socket], [], [], 0)[0], "no offset is announced"
        release(scene.control)
        answer = wire.answer()
    assert answer.status == 201
    assert [each.offset for each in answer.interim], "progress is announced once it is durable"
    scene.kept.append((upload_id(path), audio))
    scene.settled()
    scene.plays()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_is_bounded_while_the_store_stands_still(scene: Slow) -> None:
    """More is on its way than would be good to hold: senders wait instead, as far as their sockets let them."""
    sender, size, pid = Sender(scene.platform, scene.call()), 16 * MIB, scene.process.process.pid
    body = header(size - 44) + bytes(size - 44)
    forget_high_water(pid)
    before, answers = resident(pid), list[int]()
    with ExitStack() as stack:
        # All threads of the store stand still: so does everything that writes.
        stack.enter_context(scene.held(8))
        wires: list[Wire] = []
        for _ in range(40):
            head = (("Content-Type", "audio/wav"), ("Idempotency-Key", f"slow-{len(wires)}"))
            path = f"/v1/recordings?call={sender.call_id}"
            wires.append(stack.enter_context(sender.open("POST", path, *head, announced=size)))
            wires[-1].socket.settimeout(240)
        threads = [threading.Thread(target=_send, args=(wire, body, answers)) for wire in wires]
        for thread in threads:
            thread.start()
        _all_wait(scene, 8)
        eventually(lambda: _still(wires), "that the senders cannot send more")
        peak = high_water(pid) - before
        release(scene.control)
        for thread in threads:
            thread.join(timeout=240)
    print(
        f"40 uploads of 16 MiB before a store that stands still: {peak / MIB:.0f} MiB more, of 640 MiB sent"
    )
    assert answers == [201] * 40
    assert peak < 150 * MIB, f"{peak / MIB:.0f} MiB"
    scene.settled()


def _send(wire: Wire, body: bytes, answers: list[int]) -> None:
    wire.send(body)
    answers.append(wire.answer().status)


def _still(wires: list[Wire]) -> bool:
    """Tells that no socket takes any more."""
    return not select.select([], [wire.socket for wire in wires], [], 2.0)[1]


def _ends(sender: Sender, probes: list[str]) -> bool:
    """Tells that the platform has begun to end: new uploads are ended at once. Notes their Idempotency-Keys."""
    probes.append(f"probe-{len(probes)}")
    try:
        answer = sender.create(("Idempotency-Key", probes[-1]), body=b"RIFF")
    except OSError:
        return True
    assert answer.status in (201, 503), answer
    return answer.status == 503
