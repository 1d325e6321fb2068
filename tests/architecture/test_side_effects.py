"""Every module imports with an empty environment, and its import does nothing besides."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, assert_none, modules_under

PROBE = Path(__file__).with_name("import_probe.py")
# Names with no value: Python itself needs none of them.
EMPTY: dict[str, str] = {}


def probe(names: list[str], root: Path, search: list[str]) -> dict[str, list[str]]:
    """Import `names` in a process of its own and return what that did, by module."""
    start = (
        f"import sys, runpy; sys.path[:0] = {search!r}; runpy.run_path({str(PROBE)!r}, run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-B", "-c", start, str(root)],
        input=json.dumps(names),
        env=EMPTY,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, list[str]] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_importing_does_nothing_else(package: str) -> None:
    names = [
        module.name for module in modules_under(PACKAGES[package]) if not module.name.endswith(".__main__")
    ]
    assert package in names
    found = probe(names, PACKAGES[package], [])
    assert_none(f"{name}: {effect}" for name, effects in found.items() for effect in effects)


@pytest.mark.parametrize(
    ("code", "effect"),
    [
        ("import os\nHOME = os.environ['CALLWARD_HOME']", "KeyError"),
        ("import socket\ns = socket.socket()", "socket.__new__"),
        ("import http.client\nhttp.client.HTTPConnection('127.0.0.1', 1).connect()", "socket.getaddrinfo"),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(3,), daemon=True).start()",
            "threads",
        ),
        ("open(__file__ + '.out', 'w').close()", "open"),
        ("import pathlib\npathlib.Path(__file__ + '.d').mkdir()", "os.mkdir"),
        ("import os\nos.environ['A'] = 'b'", "environment"),
        ("import logging\nlogging.basicConfig()", "log handlers"),
        ("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", "signals"),
        ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
        ("raise SystemExit(0)", "SystemExit"),
    ],
)
def test_a_planted_effect_is_found(tmp_path: Path, code: str, effect: str) -> None:
    (tmp_path / "planted_module.py").write_text(code + "\n")
    found = probe(["planted_module"], tmp_path, [str(tmp_path)])
    assert any(effect in each for each in found["planted_module"]), found


def test_a_quiet_module_passes(tmp_path: Path) -> None:
    (tmp_path / "planted_module.py").write_text("import json\nTEXT = open(__file__).read()\n")
    assert probe(["planted_module"], tmp_path, [str(tmp_path)]) == {}
