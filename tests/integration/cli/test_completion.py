"""Completion in bash, zsh and fish: options, uploads and files; quick, because no platform is loaded for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.conftest import COMMAND, Upload
from tests.integration.cli.fake_door import FakeDoor, Fault

CALL = "01934e2c-7c00-7000-8000-0000000000c1"
#: What may not be loaded to show help or to complete; httpx alone takes a tenth of a second.
HEAVY = (
    "grpc",
    "google.protobuf",
    "sqlalchemy",
    "fastapi",
    "httpx",
    "cedarpy",
    "opentelemetry",
    "cryptography",
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # The name by which scripts call the command is that of its file.
    code = f"import sys; sys.argv = ['callward', *sys.argv[1:]]; {COMMAND[2]}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complete(words: str, shell: str = "bash") -> list[str]:
    if shell == "bash":
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    else:
        asked = {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    ended = run(_CALLWARD_COMPLETE=f"complete_{shell}", **asked)
    assert ended.stderr == ""
    return [line for line in ended.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_shown(shell: str) -> None:
    ended = run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ended.returncode == 0, ended.stderr
    assert f"complete_{shell}" in ended.stdout
    assert "callward" in ended.stdout


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/callward.sh"),
        ("zsh", ".zfunc/_callward"),
        ("fish", ".config/fish/completions/callward.fish"),
    ],
)
def test_it_is_installed_for_each_shell(shell: str, place: str, home: Path) -> None:
    ended = run("--install-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ended.returncode == 0, ended.stderr
    assert f"complete_{shell}" in (home / place).read_text()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed(shell: str, home: Path) -> None:
    commands, options = (
        "\n".join(complete("callward ", shell)),
        "\n".join(complete("callward upload --", shell)),
    )
    assert [name for name in ("dev", "demo", "upload", "status", "verify") if name not in commands] == []
    assert [name for name in ("--call", "--parallel", "--token-file", "--demo") if name not in options] == []


def test_uploads_that_are_unfinished_are_completed(
    upload: Upload, door: FakeDoor, tmp_path: Path, signed_in: Path
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"a" * 2000)
    door.faults.append(Fault("PATCH", after=1000))
    assert upload(path, "--call", CALL, "--retry-for", "0").code == 3
    upload_id = door.the_upload().upload_id
    assert complete("callward status ") == [upload_id]
    assert complete(f"callward upload --cancel {upload_id[:8]}") == [upload_id]
    assert complete("callward upload --cancel z") == []


def test_demo_tenants_are_completed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    (data / "issuer").mkdir(parents=True)
    (data / "issuer" / "accounts.json").write_text(
        '{"bayview-hospital/machines/call-platform": "a", "lakeside-clinic/machines/call-platform": "b",'
        ' "lakeside-clinic/machines/siem": "c"}'
    )
    monkeypatch.setenv("CALLWARD_DATA_DIR", str(data))
    assert complete("callward upload --demo ") == ["bayview-hospital", "lakeside-clinic"]
    assert complete("callward upload --demo l") == ["lakeside-clinic"]
    monkeypatch.setenv("CALLWARD_DATA_DIR", str(tmp_path))
    assert complete("callward upload --demo ") == []


def test_files_are_completed_by_bash_itself(home: Path, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "call-of-today.wav").touch()
    script = run("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout
    command = tmp_path / "bin" / "callward"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c \'import sys; sys.argv[0] = "callward"; {COMMAND[2]}\' "$@"\n'
    )
    command.chmod(0o755)
    # Readline completes at a Tab as it would for a person; ^U and exit leave the shell again.
    (tmp_path / "rc").write_text(f"{script}\nbind 'set bell-style none'\nstty cols 300\nPS1='$ '\n")
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            _TERMINAL,
            bash,
            str(tmp_path / "rc"),
            str(tmp_path),
            "callward upload call-of\t\n",
        ],
        env={**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "callward upload call-of-today.wav" in ended.stdout, ended.stdout + ended.stderr


#: Types a line into an interactive bash on a pseudo-terminal, and prints what it shows until the command was run.
_TERMINAL = """
import os, pty, select, sys, time
bash, rc, folder, line = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(folder)
    os.execv(bash, [bash, "--noprofile", "--rcfile", rc, "-i"])
seen, deadline, typed = b"", time.monotonic() + 50, False
while time.monotonic() < deadline:
    if not select.select([terminal], [], [], 0.2)[0]:
        if not typed:
            os.write(terminal, line.encode())
            typed = True
        continue
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    seen += more
    if b"say with --call" in seen:
        break
sys.stdout.buffer.write(seen)
os.kill(pid, 9)
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize(
    "arguments", [("--help",), ("upload", "--help"), ("status", "--help"), ("--version",), ()], ids=" ".join
)
def test_help_and_completion_load_nothing_heavy(arguments: tuple[str, ...], home: Path) -> None:
    code = (
        "import sys\nfrom callward_cli.main import main\nsys.argv[0] = 'callward'\n"
        "try:\n    main()\nfinally:\n"
        f"    print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr.splitlines()[-1] == "LOADED []"
