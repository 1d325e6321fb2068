"""A clone works anywhere: no file names a package registry's host or a path of one machine."""

from pathlib import Path

import pytest

from tests.architecture.source import assert_none, tracked
from tests.architecture.words import MACHINE_PATHS, REGISTRIES, forbidden_words

# Lock files name where each file was found; that is what they are for.
LOCKS = {"uv.lock", "requirements.lock", "requirements-dev.lock"}


def test_no_file_names_a_registry_or_a_machine() -> None:
    paths = [path for path in tracked() if path.name not in LOCKS]
    assert paths
    assert_none(found for path in paths for found in forbidden_words(path))


def test_the_lock_names_public_hosts_only() -> None:
    hosts = {"https://" + host for host in (REGISTRIES[0], REGISTRIES[1])}
    lock = next(path for path in tracked() if path.name == "uv.lock").read_text(encoding="utf-8")
    named = {
        "/".join(part.split("/")[:3]) for part in lock.split('"') if part.startswith(("http://", "https://"))
    }
    assert named == hosts


@pytest.mark.parametrize("word", [*REGISTRIES, *MACHINE_PATHS, "/ho" + "me/somebody/"])
def test_a_planted_word_is_found(tmp_path: Path, word: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text(f"fine\nsee {word}x for more\n")
    assert list(forbidden_words(path)) == [f"{path}:2 {word}"]


@pytest.mark.parametrize(
    "text", ["$HOME/work/x", "https://example.org/work/", "framework/root/x", "/workers/root"]
)
def test_what_only_looks_like_one_passes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.txt"
    path.write_text(text)
    assert list(forbidden_words(path)) == []


def test_a_binary_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF\xff\xfe" + MACHINE_PATHS[0].encode())
    assert list(forbidden_words(path)) == []
