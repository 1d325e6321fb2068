"""What is remembered of uploads: private, whole after any crash, and one process at a time."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from callward_cli.exits import CommandError
from callward_cli.upload.command import REMEMBER, forget_old
from callward_cli.upload.demo_login import data_folder
from callward_cli.upload.state import Remembered, UploadsFolder
from callward_embedded.config import EmbeddedConfig
from tests.support.clock import ManualClock

UPLOAD = Remembered(
    server="https://vault.example.org",
    call_id="call",
    path="/recordings/call.wav",
    media_type="audio/wav",
    idempotency_key="key",
    begun_at="2026-11-24T09:00:00+00:00",
)


@pytest.fixture
def folder(tmp_path: Path) -> UploadsFolder:
    return UploadsFolder(tmp_path / "state" / "uploads")


def test_what_is_kept_is_found_by_the_same_command(folder: UploadsFolder) -> None:
    folder.keep(UPLOAD)
    later = replace(UPLOAD, idempotency_key="another", begun_at="later", url="u", digest="d")
    assert folder.find(later) == UPLOAD
    for other in (replace(UPLOAD, call_id="x"), replace(UPLOAD, leg="x"), replace(UPLOAD, path="/x")):
        assert folder.find(other) is None
    assert folder.find(replace(UPLOAD, server="https://other.example")) is None


def test_every_standard_input_is_one_of_its_own(folder: UploadsFolder) -> None:
    one = replace(UPLOAD, path="-")
    folder.keep(one)
    assert folder.find(one) == one
    assert folder.find(replace(one, idempotency_key="another")) is None


def test_files_and_folder_are_their_owners_alone(folder: UploadsFolder) -> None:
    before = os.umask(0)
    try:
        folder.keep(UPLOAD)
    finally:
        os.umask(before)
    (path,) = folder.path.iterdir()
    assert (path.stat().st_mode & 0o777, folder.path.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_a_write_that_fails_leaves_the_old_state(
    folder: UploadsFolder, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    folder.keep(UPLOAD)

    def broken(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    target: tuple[object, str] = (os, "fsync") if fails == "fsync" else (Path, "rename")
    monkeypatch.setattr(*target, broken)
    with pytest.raises(CommandError, match="No space left"):
        folder.keep(replace(UPLOAD, url="new"))
    monkeypatch.undo()
    assert folder.all() == [UPLOAD]
    assert len(list(folder.path.iterdir())) == 1


def test_it_is_durable_before_it_is_said_to_be(
    folder: UploadsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original: Callable[[int], None] = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    folder.keep(UPLOAD)
    assert len(synced) == 2
    assert synced[0].startswith(f"{folder.path}/.{UPLOAD.name}.json.")
    assert synced[1] == str(folder.path)


def test_one_process_at_a_time(folder: UploadsFolder) -> None:
    with folder.alone_with(UPLOAD):
        with pytest.raises(CommandError, match="another process"), folder.alone_with(UPLOAD):
            pytest.fail("two at once")
        with folder.alone_with(replace(UPLOAD, path="/other")):
            pass
    with folder.alone_with(UPLOAD):
        pass
    assert list(folder.path.iterdir()) == []


def test_what_was_sent_is_forgotten_after_a_week_and_what_was_not_never(folder: UploadsFolder) -> None:
    clock = ManualClock()
    done = replace(
        UPLOAD, path="/done", url="u", answer={"state": "sealed"}, completed_at=clock.now().isoformat()
    )
    folder.keep(UPLOAD)
    folder.keep(done)
    clock.advance(REMEMBER)
    forget_old(folder, clock)
    assert len(folder.all()) == 2
    clock.advance(timedelta(seconds=1))
    forget_old(folder, clock)
    assert folder.all() == [UPLOAD]


@pytest.mark.parametrize(
    "environment", [{"CALLWARD_DATA_DIR": "/d"}, {"XDG_DATA_HOME": "/x", "HOME": "/h"}, {"HOME": "/h"}]
)
def test_the_data_folder_is_that_of_the_embedded_platform(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        monkeypatch.setattr(Path, "home", lambda: Path("/h"))
        assert data_folder(None, environment) == EmbeddedConfig.from_environment(environment).data_dir
    assert data_folder(Path("/given"), environment) == Path("/given")
