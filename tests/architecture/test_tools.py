"""The tools that hold generated files, protos and the wheel to what was promised."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture.source import GENERATED, PACKAGES, ROOT
from tools import check_breaking
from tools.generate_protos import differences

EVENTS = """\
syntax = "proto3";
package callward.sample.v1;
message Sampled {
  string id = 1;
  string note = 2;
}
"""


def git(repository: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Callward", "-c", "user.email=callward@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit that holds one message of calls and one of events, and our buf profiles."""
    folder = tmp_path / "proto" / "callward" / "sample" / "v1"
    folder.mkdir(parents=True)
    (folder / "events.proto").write_text(EVENTS)
    (folder / "sample.proto").write_text(EVENTS.replace("Sampled", "Sample"))
    for profile in ("buf.yaml", "buf.events.yaml"):
        shutil.copy(ROOT / profile, tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    return folder


def test_unchanged_protos_break_nothing(repository: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert check_breaking.main() == 0
    assert "compared with HEAD: no break" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["events.proto", "sample.proto"])
def test_a_renamed_field_is_a_break(repository: Path, name: str) -> None:
    path = repository / name
    path.write_text(path.read_text().replace("string note", "string remark"))
    assert check_breaking.main() == 1


@pytest.mark.parametrize(("name", "status"), [("events.proto", 1), ("sample.proto", 0)])
def test_a_reserved_field_may_leave_a_call_but_no_event(repository: Path, name: str, status: int) -> None:
    path = repository / name
    path.write_text(path.read_text().replace("string note = 2;", 'reserved 2;\n  reserved "note";'))
    assert check_breaking.main() == status


def test_the_last_tag_counts_more_than_the_last_commit(repository: Path) -> None:
    top = repository.parents[3]
    git(top, "tag", "v1")
    path = repository / "events.proto"
    path.write_text(path.read_text().replace("string note", "string remark"))
    git(top, "commit", "--quiet", "--all", "--message=second")
    assert check_breaking.base() == "v1"
    assert check_breaking.main() == 1


def test_without_a_commit_there_is_nothing_to_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    monkeypatch.setattr(check_breaking, "ROOT", tmp_path)
    assert check_breaking.base() is None


def test_differences_names_what_is_missing_left_over_and_changed(tmp_path: Path) -> None:
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    for folder in (fresh, committed):
        folder.mkdir()
        (folder / "same.py").write_text("x = 1\n")
        (folder / "changed.py").write_text(f"{folder.name} = 1\n")
    (fresh / "new.py").touch()
    (committed / "old.py").touch()
    (committed / "same.pyc").touch()
    assert differences(fresh, committed) == [
        "changed.py: differs",
        "new.py: missing",
        "old.py: no longer generated",
    ]


def test_the_wheel_carries_every_file_of_every_package_and_the_example(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = [*PACKAGES.values(), GENERATED]
    files = {
        str(path.relative_to(package.parent))
        for package in sources
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    examples = {f"callward_cli/examples/{path.name}" for path in (ROOT / "examples").iterdir()}
    assert {
        "callward_cli/examples/two-party-call.wav",
        "callward_cli/examples/two-party-call.json",
    } <= examples
    assert carried == files | examples
