"""What the command's tests share: files, and the command run as a shell would run it, in this process."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callward_cli import main as command
from tests.unit.cli.papers import Papers


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]
File = Callable[[str, Any], Path]


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Write a document: text and bytes as they are, anything else as JSON."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run `callward` with arguments; what is not SystemExit comes through."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["callward", *(str(each) for each in arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    yield run_command
    command._State.debug = False


@pytest.fixture
def papers() -> Papers:
    return Papers()


@pytest.fixture
def keys(file: File, papers: Papers) -> Path:
    return file("keys.json", papers.keys)
