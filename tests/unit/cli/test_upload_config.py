"""Settings: which of command line, environment and file counts, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from callward_cli.config import (
    DEFAULT_SERVER,
    NAMES,
    SECRETS,
    Settings,
    config_file,
    duration,
    load,
    state_folder,
)
from callward_cli.exits import CommandError


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".config" / "callward" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_by_default_it_is_callward_dev(environment: dict[str, str]) -> None:
    assert load({}, environment) == Settings(server=DEFAULT_SERVER)
    assert load({"server": None}, environment).retry_for == 3600


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write(tmp_path, 'server = "https://file.example"\nissuer = "https://issuer.example"\nparallel = 3\n')
    assert load({}, environment).server == "https://file.example"
    environment |= {"CALLWARD_SERVER": "https://env.example", "CALLWARD_PARALLEL": "4"}
    assert load({}, environment).server == "https://env.example"
    found = load({"server": "https://line.example"}, environment)
    assert (found.server, found.issuer, found.parallel) == (
        "https://line.example",
        "https://issuer.example",
        4,
    )


@pytest.mark.parametrize(
    ("given", "variables", "file", "way"),
    [
        ({"demo": "t"}, {"CALLWARD_TOKEN": "x"}, 'client_id = "c"', "demo"),
        ({"token_file": Path("f")}, {"CALLWARD_TOKEN": "x"}, 'client_id = "c"', "token_file"),
        ({}, {"CALLWARD_TOKEN": "x"}, 'client_id = "c"', "token"),
        ({}, {}, 'client_id = "c"', "client_id"),
        ({"client_id": "c"}, {"CALLWARD_CLIENT_SECRET": "s"}, 'demo = "t"', "client_id"),
    ],
)
def test_the_nearest_way_to_sign_in_is_taken(
    tmp_path: Path,
    environment: dict[str, str],
    given: dict[str, Any],
    variables: dict[str, str],
    file: str,
    way: str,
) -> None:
    write(tmp_path, file)
    found = load(given, environment | variables)
    named = [
        each for each in ("demo", "token_file", "token", "client_id") if getattr(found, each) is not None
    ]
    assert named == [way]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server = 1", "is not a text"),
        ('parallel = "many"', "1 to 16"),
        ("parallel = 0", "1 to 16"),
        ("parallel = 17", "1 to 16"),
        ('retry_for = "soon"', "no duration"),
        ("sever = 'x'", "sever, which is no setting"),
        ("server", "no TOML"),
        ("a" * 70_000, "no TOML"),
        *((f'{name} = "x"', f"holds {name}") for name in SECRETS),
        ('demo = "a"\ntoken_file = "b"', "two ways"),
    ],
)
def test_a_file_that_is_wrong_is_refused_without_its_values(
    tmp_path: Path, environment: dict[str, str], text: str, says: str
) -> None:
    write(tmp_path, text)
    with pytest.raises(CommandError, match=says):
        load({}, environment)


def test_secrets_are_not_shown(environment: dict[str, str]) -> None:
    found = load({}, environment | {"CALLWARD_CLIENT_ID": "c", "CALLWARD_CLIENT_SECRET": "hidden"})
    assert found.client_secret == "hidden"
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172_800), (" 1h ", 3600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "-1s", "1w", "1h30m", "h", "1e9s", "٣s", "9999999s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(CommandError):
        duration(text)


def test_base_folders_that_are_not_absolute_count_for_nothing() -> None:
    assert config_file({"HOME": "/h", "XDG_CONFIG_HOME": "here"}) == Path("/h/.config/callward/config.toml")
    assert config_file({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == Path("/c/callward/config.toml")
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/callward/uploads")


def test_the_how_to_names_every_setting() -> None:
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "upload-from-the-command-line.md").read_text()
    assert [name for name in NAMES if f"`CALLWARD_{name.upper()}`" not in text] == []
