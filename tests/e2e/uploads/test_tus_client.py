"""A tus client that nobody here wrote uploads, is killed half-way, and another process goes on where it was."""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.uploads.looking import dense_wav
from tests.e2e.uploads.valve import Valve
from tests.support.doors import Callward
from tests.support.journeys import consented_call
from tests.support.uploads import Sender, heard, upload_id
from tests.support.waiting import eventually

SOURCE = Path(__file__).parent / "tus-js"
SIZE = 20_000_012


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config) -> Path:
    """The folder of the client, installed from its lock file once and kept in the cache of the tests."""
    if shutil.which("npm") is None:
        reason = "npm is needed for the tus client"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    lock = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    assert pytestconfig.cache is not None
    folder = Path(pytestconfig.cache.mkdir(f"tus-js-{lock[:16]}"))
    for name in ("package.json", "package-lock.json", "upload.mjs"):
        shutil.copyfile(SOURCE / name, folder / name)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=110,
        )
    return folder


def _node(client: Path, valve: Valve, sender: Sender, file: Path, remembered: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["node", "upload.mjs", f"{valve.url}/v1/uploads", str(file), str(remembered), sender.call_id],
        cwd=client,
        env={**os.environ, "CALLWARD_TOKEN": str(sender.client.token)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_client_that_is_killed_half_way(callward: Callward, client: Path, tmp_path: Path) -> None:
    platform, audio = callward.call_platform(), dense_wav(SIZE, seed=5)
    sender = Sender(platform, consented_call(platform))
    file, remembered = tmp_path / "call.wav", tmp_path / "remembered.json"
    file.write_bytes(audio)
    with Valve(platform.base, SIZE // 2) as valve:
        first = _node(client, valve, sender, file, remembered)
        valve.wait_closed()
        first.send_signal(signal.SIGKILL)
        said, _ = first.communicate(timeout=30)
        assert first.returncode == -signal.SIGKILL
        assert "done" not in said
        path = next(
            line.removeprefix(f"url {valve.url}") for line in said.splitlines() if line.startswith("url")
        )
        valve.open()
        # The door has noticed the break once it keeps what went through.
        eventually(lambda: sender.document(path)["offset"] > SIZE // 3, "that the first half is kept")
        second = _node(client, valve, sender, file, remembered)
        said, _ = second.communicate(timeout=60)
        assert second.returncode == 0, said
    lines = said.splitlines()
    assert f"resumes {valve.url}{path}" in lines
    assert [line for line in lines if line.startswith(("POST", "HEAD", "PATCH"))] == ["HEAD 200", "PATCH 204"]
    assert lines[-1] == f"done {valve.url}{path}"
    assert sender.state(path) == "complete"
    assert heard(callward, upload_id(path)) == audio
