"""`callward upload` at the real doors: sealed and equal, also when the client or the platform is killed midway."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.uploads.valve import Valve
from tests.support.audio import wav
from tests.support.doors import HOSPITAL, Callward
from tests.support.journeys import STARTED, answered, consented_call, media, open_call
from tests.support.platform import RunningPlatform
from tests.support.process import COMMAND, dev

Run = Callable[..., subprocess.CompletedProcess[str]]
#: Seconds of noise at 64,000 bytes each: more than one part of the platform's.
LONG = 150.0


class PatientValve(Valve):
    """A valve that lives on while its door is away; who connects then is hung up on."""

    def _accept(self) -> None:
        away = True
        while away:
            try:
                super()._accept()
                away = False
            except ConnectionRefusedError:
                continue


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the command remembers and finds nothing of this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CALLWARD_")}
    folders = {name: str(tmp_path / name) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    return {**own, **folders, "COLUMNS": "200"}


@pytest.fixture
def start(home: Mapping[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, stdin: int | None = None) -> subprocess.Popen[str]:
        command = [*COMMAND, *(str(each) for each in arguments)]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=dict(home))
        )
        return started[-1]

    yield begin
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


@pytest.fixture
def run(home: Mapping[str, str]) -> Run:
    def run_command(*arguments: object, stdin: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *(str(each) for each in arguments)]
        with (stdin or Path(os.devnull)).open("rb") as source:
            return subprocess.run(
                command,
                stdin=source,
                capture_output=True,
                text=True,
                timeout=100,
                env=dict(home),
                check=False,
            )

    return run_command


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(wav(LONG))
    return path


def sent(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)["uploads"]
    return found


def plays(callward: Callward, recording_id: str, audio: bytes) -> None:
    # Listening is paced: the beginning and the end are heard by range.
    person = callward.person()
    path = media(person, recording_id)
    for first, last in ((0, 99_999), (len(audio) - 100_000, len(audio) - 1)):
        heard = person.get(path, headers={"Range": f"bytes={first}-{last}"})
        assert (heard.status_code, heard.content) == (206, audio[first : last + 1])
        assert heard.headers["content-range"].endswith(f"/{len(audio)}")


def known(callward: Callward, recording: Path, call_id: str) -> str:
    """The only recording of a call."""
    call = answered(callward.call_platform().get(f"/v1/calls/{call_id}"), 200)
    (found,) = call["recordings"]
    assert found["state"] == "sealed"
    return str(found["recordingId"])


def at(door: str, data_dir: Path, tenant: str = HOSPITAL) -> tuple[str, ...]:
    return ("--server", door, "--demo", tenant, "--data-dir", str(data_dir))


def test_files_are_sealed_and_their_receipts_are_on_record(
    callward: Callward, platform: RunningPlatform, run: Run, tmp_path: Path
) -> None:
    call_id = consented_call(callward.call_platform())
    files = [tmp_path / f"{number}.wav" for number in range(3)]
    for number, path in enumerate(files):
        path.write_bytes(wav(3 + number, seed=number))
    where = at(callward.doors.ingest, platform.data_dir)
    found = sent(run("upload", *files, "--call", call_id, "--proof", "--json", *where))
    assert [each["state"] for each in found] == ["sealed"] * 3
    for each, path in zip(found, files, strict=True):
        checks = {check["name"]: check["holds"] for check in each["verification"]["checks"]}
        assert all(checks.values())
        assert {"signature", "sender's bytes", "same manifest", "inclusion", "same receipt"} <= checks.keys()
        plays(callward, each["recording"]["recordingId"], path.read_bytes())
    shown = run("status", "--call", call_id, *where)
    assert shown.stdout.splitlines()[0] == f"call {call_id}: permit"
    assert len(shown.stdout.splitlines()) == 4


def test_a_recording_says_which_leg_it_is_of_and_when_its_clock_began(
    callward: Callward, platform: RunningPlatform, run: Run, tmp_path: Path
) -> None:
    sender = callward.call_platform()
    call_id = consented_call(sender)
    leg = {"legId": "agent-line", "startedAt": STARTED}
    answered(sender.post(f"/v1/calls/{call_id}/legs", json=leg, headers={"Idempotency-Key": call_id}), 201)
    path = tmp_path / "leg.wav"
    path.write_bytes(wav(1))
    where = ("--call", call_id, *at(callward.doors.ingest, platform.data_dir))
    unknown = run("upload", path, "--leg", "another", *where)
    assert unknown.returncode == 1
    assert "leg-not-found" in unknown.stdout
    (found,) = sent(run("upload", path, "--leg", "agent-line", "--started-at", STARTED, "--json", *where))
    recording = answered(sender.get(f"/v1/recordings/{found['uploadId']}"), 200)
    assert recording["legId"] == "agent-line"


def test_without_consent_it_is_refused_with_1(
    callward: Callward, platform: RunningPlatform, run: Run, recording: Path
) -> None:
    call_id = open_call(callward.call_platform())
    ended = run("upload", recording, "--call", call_id, *at(callward.doors.ingest, platform.data_dir))
    assert ended.returncode == 1
    assert "403 consent-required" in ended.stdout


def test_what_is_no_audio_is_set_apart_with_1(
    callward: Callward, platform: RunningPlatform, run: Run, tmp_path: Path
) -> None:
    call_id = consented_call(callward.call_platform())
    path = tmp_path / "text.wav"
    path.write_text("This is a letter.")
    ended = run("upload", path, "--call", call_id, *at(callward.doors.ingest, platform.data_dir))
    assert ended.returncode == 1
    assert "quarantined" in ended.stdout
    assert "kept apart because of:" in ended.stdout


def test_standard_input_is_sealed(
    callward: Callward, platform: RunningPlatform, run: Run, recording: Path
) -> None:
    call_id = consented_call(callward.call_platform())
    where = at(callward.doors.ingest, platform.data_dir)
    (found,) = sent(run("upload", "-", "--call", call_id, "--json", *where, stdin=recording))
    plays(callward, found["recording"]["recordingId"], recording.read_bytes())


def test_the_client_is_killed_midway_and_goes_on(
    callward: Callward,
    platform: RunningPlatform,
    run: Run,
    start: Callable[..., subprocess.Popen[str]],
    recording: Path,
) -> None:
    audio = recording.read_bytes()
    call_id = consented_call(callward.call_platform())
    with Valve(callward.doors.ingest, len(audio) // 2) as valve:
        command = ("upload", recording, "--call", call_id, *at(valve.url, platform.data_dir))
        first = start(*command)
        valve.wait_closed()
        first.send_signal(signal.SIGKILL)
        assert first.wait(30) == -signal.SIGKILL
        valve.open()
        shown = json.loads(run("status", "--json", *at(valve.url, platform.data_dir)).stdout)["uploads"]
        assert [(each["state"], each["length"]) for each in shown] == [("receiving", len(audio))]
        second = run(*command, "--json")
    (found,) = sent(second)
    assert f"going on with the upload {shown[0]['uploadId']}" in second.stderr
    assert found["uploadId"] == shown[0]["uploadId"] == known(callward, recording, call_id)
    assert found["verification"]["good"]
    plays(callward, found["uploadId"], audio)


def test_ctrl_c_keeps_what_came_and_cancel_gives_it_up(
    callward: Callward,
    platform: RunningPlatform,
    run: Run,
    start: Callable[..., subprocess.Popen[str]],
    recording: Path,
) -> None:
    call_id = consented_call(callward.call_platform())
    with Valve(callward.doors.ingest, 3_000_000) as valve:
        where = at(valve.url, platform.data_dir)
        first = start("upload", recording, "--call", call_id, *where)
        valve.wait_closed()
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=30)
        assert first.returncode == 130
        assert "the same command goes on from there" in said
        valve.open()
        (view,) = json.loads(run("status", "--json", *where).stdout)["uploads"]
        assert run("upload", "--cancel", view["uploadId"], *where).returncode == 0
        ended = run("status", view["uploadId"], "--json", *where)
        assert json.loads(ended.stdout)["uploads"][0]["state"] == "cancelled"
        assert run("status", *where).stdout == "No upload is unfinished.\n"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_platform_is_killed_midway_and_the_client_goes_on_by_itself(
    start: Callable[..., subprocess.Popen[str]], recording: Path
) -> None:
    audio = recording.read_bytes()
    with tempfile.TemporaryDirectory(prefix="callward-dev-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # as root the database runs as another user, who must pass through
        data_dir = Path(name) / "data"
        with dev(data_dir) as first:
            callward = first.wait_ready()
            call_id = consented_call(callward.call_platform())
            with PatientValve(callward.doors.ingest, len(audio) * 2 // 3) as valve:
                client = start("upload", recording, "--call", call_id, "--json", *at(valve.url, data_dir))
                valve.wait_closed()
                assert first.end(signal.SIGKILL) == -signal.SIGKILL
                valve.open()
                with dev(data_dir) as second:
                    callward = second.wait_ready()
                    out, said = client.communicate(timeout=200)
                    assert client.returncode == 0, out + said
                    (found,) = json.loads(out)["uploads"]
                    assert "next try in" in said, "it tried while nobody was there"
                    assert found["uploadId"] == known(callward, recording, call_id)
                    plays(callward, found["uploadId"], audio)
                    assert second.end(signal.SIGTERM) == 0
