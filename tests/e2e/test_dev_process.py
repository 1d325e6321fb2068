"""`callward dev` as a process: it ends as it should, and survives being killed, without any human's help."""

import re
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.journeys import answered, consented_call, media, pull, record, upload
from tests.support.process import dev
from tests.support.raw import RawUpload
from tests.support.waiting import eventually


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="callward-dev-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # as root the database runs as another user, who must pass through
        yield Path(name) / "data"


def plays(callward: Callward, recording_id: str, audio: bytes) -> None:
    person = callward.person()
    heard = person.get(media(person, recording_id))
    assert (heard.status_code, heard.content) == (200, audio)


@pytest.mark.timeout(180)
def test_killed_while_idle_and_during_an_upload_then_ended(data_dir: Path) -> None:
    audio, key = wav(3), secrets.token_hex(8)
    with dev(data_dir) as first:
        callward = first.wait_ready()
        recorded = record(callward, audio=audio)
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with dev(data_dir) as second:
        callward = second.wait_ready()
        plays(callward, recorded.recording_id, audio)
        sender = callward.call_platform()
        call_id = consented_call(sender)
        acknowledged = answered(upload(sender, call_id, audio), 201)
        unfinished = data_dir / "objects" / "unfinished"
        with RawUpload(sender, call_id, announced=len(audio), key=key) as raw:
            raw.send(audio[:150_000])
            eventually(lambda: list(unfinished.iterdir()), "the upload's begin")
            assert second.end(signal.SIGKILL) == -signal.SIGKILL
    with dev(data_dir) as third:
        callward = third.wait_ready()
        assert list(unfinished.iterdir()) == []
        plays(callward, recorded.recording_id, audio)
        plays(callward, acknowledged["recordingId"], audio)
        # What was not acknowledged is sent again, as a new request while the old one's hold still stands.
        again = upload(callward.call_platform(), call_id, audio)
        assert answered(again, 201)["state"] == "sealed"
        listed = callward.person().get("/v1/recordings").json()["recordings"]
        assert len(listed) == 3
        eventually(
            lambda: any(again.json()["recordingId"].encode() in line for line in pull(callward.siem())[0]),
            "the record of it",
        )
        for folder in ("postgres", "objects", "wraps", "keys", "issuer"):
            assert str(data_dir / folder) in third.output, "it says what is kept where"
        assert "Never for real calls" in third.output
        children = psutil.Process(third.process.pid).children(recursive=True)
        assert children, "PostgreSQL is a child"
        assert third.end(signal.SIGTERM) == 0
        assert not [child for child in children if child.is_running()]
    assert "Traceback" not in third.output + third.errors


@pytest.mark.timeout(120)
def test_without_its_database_it_ends_with_one_line(data_dir: Path) -> None:
    with dev(data_dir) as process:
        process.wait_ready()
        (postmaster,) = psutil.Process(process.process.pid).children()
        postmaster.kill()
        assert process.process.wait(timeout=60) == 3
    last = process.errors.strip().splitlines()[-1]
    assert re.fullmatch(r"callward: [^\n]+", last), process.errors
    assert "Traceback" not in process.output + process.errors


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CALLWARD_ENV": "production"}, "production"),
        ({"CALLWARD_INGEST_MAX_BODY_BYTES": "no number"}, "max_body_bytes"),
    ],
)
def test_what_it_cannot_run_with_is_one_line(data_dir: Path, environment: dict[str, str], says: str) -> None:
    with ExitStack() as stack:
        process = stack.enter_context(dev(data_dir, environment))
        assert process.process.wait(timeout=60) in (2, 3)
    assert re.fullmatch(r"callward: [^\n]+\n", process.errors), process.errors
    assert says.lower() in process.errors.lower()
