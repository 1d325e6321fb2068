"""A door for each test, and the command: in this process, or in one of its own that may be killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callward_cli.upload import live, patience, sources
from tests.integration.cli.fake_door import FakeDoor
from tests.unit.cli.conftest import Ended, Run, run

__all__ = ["run"]
COMMAND = (sys.executable, "-c", "from callward_cli.main import main; main()")
Upload = Callable[..., Ended]


@pytest.fixture
def door() -> Iterator[FakeDoor]:
    fake = FakeDoor()
    try:
        yield fake
    finally:
        fake.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the command's own, with its credentials; nothing of this machine's environment counts."""
    for name in [name for name in os.environ if name.startswith("CALLWARD_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "secret").write_text("the-secret\n")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    return folder


@pytest.fixture
def signed_in(door: FakeDoor, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings by which the door is found and signed in at, in the file of settings."""
    config = home / "config" / "callward" / "config.toml"
    config.parent.mkdir(parents=True)
    lines = {
        "server": door.url,
        "issuer": door.issuer,
        "client_id": "call-platform",
        "client_secret_file": str(home / "secret"),
        "retry_for": "30s",
    }
    config.write_text("".join(f'{name} = "{value}"\n' for name, value in lines.items()))
    return home


@pytest.fixture
def upload(run: Run, signed_in: Path, monkeypatch: pytest.MonkeyPatch) -> Upload:
    """Run `callward upload`, with waits and appends that are small enough for a test."""
    monkeypatch.setattr(patience, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(sources, "APPEND", 1024 * 1024)
    monkeypatch.setattr(live, "ANY_SECONDS", 0.2)

    def run_upload(*arguments: object) -> Ended:
        return run("upload", *arguments)

    return run_upload


class Process:
    """`callward upload` in a process of its own."""

    def __init__(self, *arguments: object, stdin: int | None = None) -> None:
        self.popen = subprocess.Popen(
            [*COMMAND, *(str(each) for each in arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )

    def ended(self, timeout: float = 60) -> tuple[int, str, str]:
        out, err = self.popen.communicate(timeout=timeout)
        return self.popen.returncode, out, err


@pytest.fixture
def process(signed_in: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*arguments: object, stdin: int | None = None) -> Process:
        started.append(Process(*arguments, stdin=stdin))
        return started[-1]

    yield start
    for each in started:
        if each.popen.poll() is None:
            each.popen.kill()
            each.popen.communicate()
